//! The ways to people, as the outbox needs them: mail server, telephone service, webhooks.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::alarm::PhotoId;
use crate::camera::PhotoShelf;
use crate::clock::WallTime;
use crate::config::{Config, Contact};
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
    contacts: HashMap<String, Contact>,
    mailer: Option<Mailer>,
    telephone: Option<Telephone>,
    webhooks: HashMap<String, Webhook>,
}

impl Ways {
    fn new(config: &Config) -> Result<Ways, SetupError> {
        let webhook = |it| Webhook::new(it).map(|webhook| (webhook.name().to_owned(), webhook));
        Ok(Ways {
            contacts: (config.contacts.iter())
                .map(|contact| (contact.name.clone(), contact.clone()))
                .collect(),
            mailer: config.email.as_ref().map(Mailer::new).transpose()?,
            telephone: config.phone.as_ref().map(Telephone::new).transpose()?,
            webhooks: (config.webhooks.iter())
                .map(webhook)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl People {
    pub(super) fn new(config: &Config, shelf: PhotoShelf) -> Result<People, SetupError> {
        Ok(People {
            ways: RwLock::new(Arc::new(Ways::new(config)?)),
            shelf,
        })
    }

    /// What is under way goes on as it was begun.
    pub(super) fn reconfigure(&self, config: &Config) -> Result<(), SetupError> {
        let ways = Arc::new(Ways::new(config)?);
        *self.ways.write().unwrap_or_else(PoisonError::into_inner) = ways;
        Ok(())
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
        let (taken, jpeg) = read.await.ok().flatten()?;
        Some(Photo { id, taken, jpeg })
    }

    async fn email(&self, contact: &str, mail: &Outgoing) -> Result<Delivered, Failure> {
        let ways = self.ways();
        match (&ways.mailer, ways.contacts.get(contact)) {
            (Some(mailer), Some(contact)) => mailer.deliver(contact, mail).await,
            (None, _) | (_, None) => Err(gone(contact)),
        }
    }

    async fn webhook(&self, name: &str, message: &Outgoing) -> Result<Delivered, Failure> {
        match self.ways().webhooks.get(name) {
            Some(webhook) => webhook.deliver(message).await,
            None => Err(gone(name)),
        }
    }

    async fn place(&self, number: &str, spoken: &Outgoing) -> Result<CallSid, PlaceFailure> {
        match &self.ways().telephone {
            Some(telephone) => telephone.place(number, &Words::new(spoken).spoken()).await,
            None => Err(PlaceFailure::Permanent {
                why: NO_PHONE.to_owned(),
                code: None,
            }),
        }
    }

    async fn find(&self, number: &str, since: WallTime) -> Result<Option<CallSid>, Failure> {
        match &self.ways().telephone {
            Some(telephone) => telephone.find(number, since).await,
            None => Err(gone(NO_PHONE)),
        }
    }

    async fn status(&self, call: &CallSid) -> Result<CallStatus, Failure> {
        match &self.ways().telephone {
            Some(telephone) => telephone.status(call).await,
            None => Err(gone(NO_PHONE)),
        }
    }

    async fn cancel(&self, call: &CallSid) -> Result<(), Failure> {
        match &self.ways().telephone {
            Some(telephone) => telephone.cancel(call).await,
            None => Ok(()),
        }
    }
}

const NO_PHONE: &str = "there is no [phone] in the configuration any more";

fn gone(name: &str) -> Failure {
    Failure::Permanent {
        why: format!("\"{name}\" is not in the configuration any more"),
    }
}
