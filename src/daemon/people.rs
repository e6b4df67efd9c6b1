//! The ways to people, as the outbox needs them: mail server, telephone service, webhooks.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tracing::error;

use super::health::{cleared, raised};
use crate::alarm::{PhotoId, TroubleCode};
use crate::camera::PhotoShelf;
use crate::clock::WallTime;
use crate::config::{Config, Contact};
use crate::inbox::Inbox;
use crate::notify::{
    CallSid, CallStatus, Delivered, Failure, Mailer, Outgoing, Photo, PlaceFailure, SetupError,
    Telephone, Webhook, words::Words,
};
use crate::outbox;

/// The ways to people of the configuration that is in force.
pub(super) struct People {
    ways: RwLock<Arc<Ways>>,
    shelf: PhotoShelf,
}

struct Ways {
    /// The troubles that these ways themselves have raised.
    unready: Vec<(TroubleCode, String)>,
    contacts: HashMap<String, Contact>,
    mailer: Option<Mailer>,
    telephone: Option<Telephone>,
    /// `None`: it is in the configuration, and could not be made ready.
    webhooks: HashMap<String, Option<Webhook>>,
}

impl Ways {
    /// What cannot be made ready (a certificate file that is none) is a trouble; the other ways
    /// stay open.
    fn new(config: &Config, inbox: &Inbox) -> Ways {
        let mut unready = Vec::new();
        let mut report = |code, subject: &str, why: SetupError| {
            error!("{why}");
            inbox.send(raised(code, subject, why.to_string()));
            unready.push((code, subject.to_owned()));
        };
        let mailer = config.email.as_ref().map(Mailer::new).transpose();
        let telephone = config.phone.as_ref().map(Telephone::new).transpose();
        let webhooks = config.webhooks.iter().map(|webhook| {
            let ready = Webhook::new(webhook)
                .map_err(|why| report(TroubleCode::Webhook, &webhook.name, why));
            (webhook.name.clone(), ready.ok())
        });
        let webhooks = webhooks.collect();
        Ways {
            contacts: (config.contacts.iter())
                .map(|contact| (contact.name.clone(), contact.clone()))
                .collect(),
            webhooks,
            mailer: mailer.unwrap_or_else(|why| {
                report(TroubleCode::Mail, "", why);
                None
            }),
            telephone: telephone.unwrap_or_else(|why| {
                report(TroubleCode::Phone, "", why);
                None
            }),
            unready,
        }
    }
}

impl People {
    pub(super) fn new(config: &Config, shelf: PhotoShelf, inbox: &Inbox) -> People {
        People {
            ways: RwLock::new(Arc::new(Ways::new(config, inbox))),
            shelf,
        }
    }

    /// What is under way goes on as it was begun.
    pub(super) fn reconfigure(&self, config: &Config, inbox: &Inbox) {
        let new = Arc::new(Ways::new(config, inbox));
        let mut ways = self.ways.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *ways, new.clone());
        drop(ways);
        for (code, subject) in old.unready.iter().filter(|it| !new.unready.contains(it)) {
            inbox.send(cleared(*code, subject));
        }
    }

    /// Loads trusted roots and resumes sessions before the first alarm needs them.
    pub(super) async fn warm_up(&self) {
        let ways = self.ways();
        if let Some(mailer) = &ways.mailer {
            mailer.prepare(1);
        }
        if let Some(telephone) = &ways.telephone {
            telephone.prepare().await;
        }
    }

    fn ways(&self) -> Arc<Ways> {
        let ways = self.ways.read().unwrap_or_else(PoisonError::into_inner);
        ways.clone()
    }
}

impl outbox::Paths for People {
    async fn prepare_email(&self, sessions: usize) {
        if let Some(mailer) = &self.ways().mailer {
            mailer.prepare(sessions);
        }
    }

    async fn prepare_phone(&self) {
        if let Some(telephone) = &self.ways().telephone {
            telephone.prepare().await;
        }
    }

    async fn photo(&self, id: PhotoId) -> Option<Photo> {
        if let Some(photo) = self.shelf.in_memory(id) {
            return Some(Photo {
                id,
                taken: photo.taken.wall,
                jpeg: photo.jpeg,
            });
        }
        let shelf = self.shelf.clone();
        let read = tokio::task::spawn_blocking(move || shelf.jpeg(id));
        let read = tokio::time::timeout(PHOTO_WITHIN, read).await;
        let (taken, jpeg) = read.ok()?.ok().flatten()?;
        Some(Photo { id, taken, jpeg })
    }

    async fn email(&self, contact: &str, mail: &Outgoing) -> Result<Delivered, Failure> {
        let ways = self.ways();
        match (&ways.mailer, ways.contacts.get(contact)) {
            (Some(mailer), Some(contact)) => mailer.deliver(contact, mail).await,
            (None, _) => Err(not_ready("[email]")),
            (Some(_), None) => Err(gone(contact)),
        }
    }

    async fn webhook(&self, name: &str, message: &Outgoing) -> Result<Delivered, Failure> {
        match self.ways().webhooks.get(name) {
            Some(Some(webhook)) => webhook.deliver(message).await,
            Some(None) => Err(not_ready(&format!("the webhook \"{name}\""))),
            None => Err(gone(name)),
        }
    }

    async fn place(&self, number: &str, spoken: &Outgoing) -> Result<CallSid, PlaceFailure> {
        match &self.ways().telephone {
            Some(telephone) => telephone.place(number, &Words::new(spoken).spoken()).await,
            None => Err(PlaceFailure::Temporary {
                why: NO_PHONE.to_owned(),
                after: Some(NOT_READY),
            }),
        }
    }

    async fn find(&self, number: &str, since: WallTime) -> Result<Vec<CallSid>, Failure> {
        match &self.ways().telephone {
            Some(telephone) => telephone.find(number, since).await,
            None => Err(not_ready("[phone]")),
        }
    }

    async fn status(&self, call: &CallSid) -> Result<CallStatus, Failure> {
        match &self.ways().telephone {
            Some(telephone) => telephone.status(call).await,
            None => Err(not_ready("[phone]")),
        }
    }

    async fn cancel(&self, call: &CallSid) -> Result<(), Failure> {
        match &self.ways().telephone {
            Some(telephone) => telephone.cancel(call).await,
            None => Ok(()),
        }
    }
}

/// A mail does not wait longer for a disk that hangs.
const PHOTO_WITHIN: Duration = Duration::from_secs(2);
const NO_PHONE: &str = "[phone] could not be made ready; the trouble says why";
/// A way that could not be made ready waits for a reload.
const NOT_READY: Duration = Duration::from_secs(60);

fn not_ready(section: &str) -> Failure {
    Failure::Temporary {
        why: format!("{section} could not be made ready; the trouble says why"),
        after: Some(NOT_READY),
    }
}

fn gone(name: &str) -> Failure {
    Failure::Permanent {
        why: format!("\"{name}\" is not in the configuration any more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::{About, Actor, BootTime, Event, Notice, Origin};
    use crate::clock::SystemClock;
    use crate::config::{Depth, parse};
    use crate::outbox::Paths;

    #[tokio::test]
    async fn a_webhook_that_could_not_be_made_ready_is_tried_again_and_one_that_is_gone_is_not() {
        let text = "[[webhook]]\nname = \"ntfy\"\nurl = \"https://ntfy.example.org/home\"\n\
                    ca-file = \"/nowhere/ca.pem\"\n";
        let config = parse(text, "test", Depth::Shape).unwrap().config;
        let (inbox, letters) = Inbox::new(SystemClock::shared());
        let people = People::new(&config, PhotoShelf::new("nowhere"), &inbox);
        let message = Outgoing {
            notice: Notice::plain(
                About::Test {
                    by: Actor::owner(Origin::Socket),
                },
                BootTime::ZERO,
            ),
            site: "Home".into(),
            happened: WallTime(0),
            now: WallTime(0),
            clock_set: true,
            photos: Vec::new(),
            photo_missing: None,
            message_id: "1@home".into(),
            in_reply_to: None,
            first_call: None,
        };

        let failure = people.webhook("ntfy", &message).await.unwrap_err();
        assert!(matches!(failure, Failure::Temporary { .. }), "{failure:?}");
        let trouble = letters.try_recv().expect("it is a trouble").event;
        assert!(
            matches!(&trouble, Event::TroubleRaised(it) if it.subject == "ntfy"),
            "{trouble:?}"
        );

        let failure = people.webhook("slack", &message).await.unwrap_err();
        assert!(matches!(failure, Failure::Permanent { .. }), "{failure:?}");
    }
}
