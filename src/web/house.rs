//! What the API is built over. The daemon fills it; tests fill it with fakes.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{broadcast, watch};

use super::{Line, Snapshot};
use crate::access::Access;
use crate::access::face::Guide;
use crate::access::finger::Fingers;
use crate::config::Config;
use crate::inbox::Inbox;
use crate::login::Logins;

/// What the API is built over.
pub struct House {
    /// The configuration that is in force.
    pub config: watch::Receiver<Arc<Config>>,
    /// Where commands go.
    pub inbox: Inbox,
    /// The panel at this moment. Its sender belongs to the panel: when that is gone, `/healthz`
    /// says so.
    pub status: watch::Receiver<Arc<Snapshot>>,
    /// The panel turns: a snapshot looks the same when it hangs.
    pub panel_turns: Arc<dyn Fn() -> bool + Send + Sync>,
    /// The outputs as they are.
    pub outputs: Arc<dyn Outputs>,
    /// What happened.
    pub history: Arc<dyn History>,
    /// History as it grows: the lines of `GET events`, in the order of their ids. One is
    /// sent here when [`History::events`] can read it, so that a stream that catches up and then
    /// goes on misses none; only while the store fails it is sent without.
    pub live: broadcast::Sender<Line>,
    /// Simulated devices, if there are any.
    pub sim: Option<Arc<dyn Sim>>,
    /// A real service or a simulator.
    pub kind: ServiceKind,
    /// Reads the configuration file again.
    pub reload: Reload,
    /// Who is known, and whose PIN is whose.
    pub access: Access,
    /// Enrols and forgets fingers.
    pub fingers: Fingers,
    /// The camera, for whoever is enrolled before it.
    pub guide: Arc<Guide>,
    /// Who may come in over TCP.
    pub logins: Logins,
    /// The program's version.
    pub version: &'static str,
}

impl House {
    /// The panel is there, and turns.
    pub(super) fn panel_lives(&self) -> bool {
        self.status.has_changed().is_ok() && (self.panel_turns)()
    }
}

/// Reads the configuration file again and applies it: what changed, or why it is refused.
pub type Reload = Arc<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// A real service or a simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    /// `asfaleia run`: TCP asks for a login.
    Run,
    /// `asfaleia simulate`: loopback is let in, and `sim/` plays with the whole house.
    Simulate,
}

/// The outputs as they are.
pub trait Outputs: Send + Sync {
    /// The exhaust relay.
    fn exhaust(&self) -> OutputState;
    /// The buzzer: active while a pattern sounds, its gaps included.
    fn buzzer(&self) -> OutputState;
    /// What the buzzer plays.
    fn heard(&self) -> Heard;
}

/// One output.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OutputState {
    /// On.
    pub active: bool,
    /// The last change in nanoseconds of `CLOCK_MONOTONIC`, so that another process can time it;
    /// 0 if there was none since the start.
    pub changed_ns: u64,
}

/// The rhythm that the buzzer began last, chirps too.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Heard {
    /// Counts what began since the start, silence too.
    pub number: u64,
    /// Milliseconds on, off, on, ...; none: silence.
    pub steps: &'static [u16],
    /// Until another number; else once.
    pub repeats: bool,
}

/// What happened. May block: it is called on threads where that is allowed. Values are the
/// objects of the API.
pub trait History: Send + Sync {
    /// Events with an id greater than `after`, oldest first, at most `limit`.
    fn events(&self, after: u64, limit: usize) -> io::Result<Vec<Value>>;
    /// The newest events, oldest first, at most `limit`.
    fn latest(&self, limit: usize) -> io::Result<Vec<Value>>;
    /// Incidents with an id less than `before`, newest first, at most `limit`.
    fn incidents(&self, before: Option<u64>, limit: usize) -> io::Result<Vec<Value>>;
    /// One incident with everything that belongs to it.
    fn incident(&self, id: u64) -> io::Result<Option<Value>>;
    /// When somebody was forced to show a finger or PIN, newest first, at most `limit`.
    fn duress(&self, limit: usize) -> io::Result<Vec<Value>>;
    /// A photo as JPEG.
    fn photo(&self, id: u64) -> io::Result<Option<Vec<u8>>>;
}

/// Simulated devices. Nothing here may block.
pub trait Sim: Send + Sync {
    /// Makes a simulated sensor active or inactive. `Err`: there is none of this name.
    fn set_sensor(&self, name: &str, active: bool) -> Result<(), String>;
    /// Makes a simulated sensor active for so long. `Err`: there is none of this name.
    fn pulse(&self, name: &str, length: Duration) -> Result<(), String>;
    /// What is broken now: an object with a key for each thing that can break.
    fn faults(&self) -> Value;
    /// Breaks and mends things: only the keys that are there change. Returns what is broken now,
    /// or says what is allowed.
    fn set_faults(&self, faults: Value) -> Result<Value, String>;
    /// Lays a finger on the reader until the next one, `None` lifts it; `dirty` cannot be read, any
    /// other name is that finger. `Err`: there is no reader.
    fn lay_finger(&self, finger: Option<&str>) -> Result<(), String>;
    /// Mails that arrived, oldest first: an array.
    fn mails(&self) -> Value;
    /// One attachment of one mail, both counted from 0: its type and bytes.
    fn attachment(&self, mail: usize, number: usize) -> Option<(String, Vec<u8>)>;
    /// Calls that were placed, oldest first: an array.
    fn calls(&self) -> Value;
    /// Puts these pictures of a folder, or this one, before the camera, one after another; `None`:
    /// nobody. How many there are, or why there are none.
    fn show_faces(&self, from: Option<&Path>) -> Result<usize, String>;
    /// What somebody does with a call, counted from 0: `ring`, `answer`, `engaged`, `ignore`,
    /// `hang-up`. `Err`: there is none, or it is too late.
    fn decide_call(&self, call: usize, decision: &str) -> Result<(), String>;
    /// What the page of the virtual house has to know beside the configuration: an object.
    fn surroundings(&self) -> Value;
    /// How fast its clock runs, and what time it is there.
    fn speed(&self) -> Value;
    /// Makes its clock run so many times as fast. `Err` says what is allowed.
    fn set_speed(&self, speed: u32) -> Result<(), String>;
    /// Cuts the power, in a moment. `Err`: nobody could switch it on again.
    fn cut_power(self: Arc<Self>) -> Result<(), String>;
    /// The scenarios that can be played, and the one that is.
    fn scenarios(&self) -> Value;
    /// Plays one of them, in place of one that is played; the panel is in this state. `Err`: there
    /// is none of this name, or it does not fit the house.
    fn play(self: Arc<Self>, name: &str, state: &str, inbox: &Inbox) -> Result<(), String>;
}
