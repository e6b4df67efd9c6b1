//! What the outbox needs of the world: ways to people, and the store.

use std::pin::Pin;

use crate::alarm::{IncidentId, PhotoId, Record};
use crate::clock::WallTime;
use crate::notify::{CallSid, CallStatus, Delivered, Failure, Outgoing, Photo, PlaceFailure};

/// The ways to people. Every future may be dropped half-way.
pub trait Paths: Send + Sync + 'static {
    /// An alarm mail will follow in a moment: make so many sessions ready.
    fn prepare_email(&self, sessions: usize) -> impl Future<Output = ()> + Send;
    /// A call will follow in a moment: make the connection ready.
    fn prepare_phone(&self) -> impl Future<Output = ()> + Send;
    /// A photo: from memory if it is there, else from disk; `None` if it is gone.
    fn photo(&self, id: PhotoId) -> impl Future<Output = Option<Photo>> + Send;
    /// Mails the contact of this name.
    fn email(
        &self,
        contact: &str,
        mail: &Outgoing,
    ) -> impl Future<Output = Result<Delivered, Failure>> + Send;
    /// Sends to the webhook of this name.
    fn webhook(
        &self,
        name: &str,
        message: &Outgoing,
    ) -> impl Future<Output = Result<Delivered, Failure>> + Send;
    /// Calls this number and speaks.
    fn place(
        &self,
        number: &str,
        spoken: &Outgoing,
    ) -> impl Future<Output = Result<CallSid, PlaceFailure>> + Send;
    /// The calls to this number since then, the latest first.
    fn find(
        &self,
        number: &str,
        since: WallTime,
    ) -> impl Future<Output = Result<Vec<CallSid>, Failure>> + Send;
    /// Where the call stands.
    fn status(&self, call: &CallSid) -> impl Future<Output = Result<CallStatus, Failure>> + Send;
    /// Ends the call, ringing or not.
    fn cancel(&self, call: &CallSid) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// What the outbox writes down.
pub trait Store: Send + Sync + 'static {
    /// Commits all of it together, whether or not the receipt is waited for. Never blocks.
    fn commit(&self, update: Update) -> Receipt;
}

/// Resolves when it is decided: `true`, it is on disk.
pub type Receipt = Pin<Box<dyn Future<Output = bool> + Send>>;

/// Things to be committed together.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Update {
    /// Rows that changed.
    pub messages: Vec<Row>,
    /// Lines of history.
    pub records: Vec<(Option<IncidentId>, Record)>,
    /// Paths proven just now: `email`, `phone`, `webhook:NAME`.
    pub proven: Vec<String>,
}

impl Update {
    /// There is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.records.is_empty() && self.proven.is_empty()
    }
}

/// A message as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub id: u64,
    /// Its incident.
    pub incident: Option<IncidentId>,
    /// `email`, `phone`, `webhook`.
    pub channel: &'static str,
    /// A contact's or webhook's name; empty for the phone, whose ladder has many.
    pub to: String,
    /// Not delivered and not given up.
    pub waiting: bool,
    /// All of it: [`Message::from_body`](super::Message::from_body) reads it.
    pub body: String,
}
