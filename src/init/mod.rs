//! `asfaleia init`: a few questions, and a configuration that passes.
//!
//! `questions` asks, with what was `found` on this machine as the defaults; `text` writes.
//! After each group of answers the whole of it is checked, as `asfaleia check` would: what is
//! refused is said at once, and asked again.

mod dialogue;
mod found;
mod questions;
mod text;

use std::path::PathBuf;

use secrecy::SecretString;

pub use dialogue::{Dialogue, Echo, Unanswered};
pub use found::Found;
pub use questions::ask;

/// What was answered.
#[derive(Debug, Clone, Default)]
pub struct House {
    /// Where the secrets' files will lie: an absolute path.
    pub secrets: PathBuf,
    site: String,
    reader: Option<PathBuf>,
    nodes: Vec<Node>,
    wires: Vec<Wire>,
    buzzer: Option<u32>,
    exhaust: Option<Exhaust>,
    camera: Option<String>,
    mail: Option<Mail>,
    phone: Option<Phone>,
    contacts: Vec<Contact>,
    broker: Option<Broker>,
}

/// A file of its own for a secret.
#[derive(Debug)]
pub struct SecretFile<'a> {
    /// Its name in [`House::secrets`].
    pub name: &'static str,
    /// What goes into it.
    pub secret: &'a SecretString,
}

impl House {
    /// The configuration, with comments.
    pub fn configuration(&self) -> String {
        text::written(self)
    }

    /// The files that it needs beside it.
    pub fn secret_files(&self) -> Vec<SecretFile<'_>> {
        let mail = self.mail.as_ref().and_then(|mail| mail.password.as_ref());
        let phone = self.phone.as_ref().map(|phone| &phone.token);
        let broker = self
            .broker
            .as_ref()
            .and_then(|broker| broker.login.as_ref());
        let all = [
            (SMTP_PASSWORD, mail),
            (TWILIO_TOKEN, phone),
            (MQTT_PASSWORD, broker.map(|(_, password)| password)),
        ];
        all.into_iter()
            .filter_map(|(name, secret)| {
                Some(SecretFile {
                    name,
                    secret: secret?,
                })
            })
            .collect()
    }

    fn has_gas(&self) -> bool {
        self.nodes.iter().any(|node| node.gas) || self.wires.iter().any(|it| it.kind == "gas")
    }
}

const SMTP_PASSWORD: &str = "smtp-password";
const TWILIO_TOKEN: &str = "twilio-token";
const MQTT_PASSWORD: &str = "mqtt-password";

/// A NodeMCU on a serial port.
#[derive(Debug, Clone)]
struct Node {
    name: String,
    port: PathBuf,
    gas: bool,
    beam: bool,
}

/// A sensor on a GPIO line.
#[derive(Debug, Clone)]
struct Wire {
    name: String,
    kind: String,
    line: u32,
    active: String,
}

/// The relay.
#[derive(Debug, Clone)]
struct Exhaust {
    line: u32,
    active: String,
}

#[derive(Debug, Clone)]
struct Mail {
    host: String,
    username: String,
    /// `None`: a server that wants no login.
    password: Option<SecretString>,
    from: String,
}

#[derive(Debug, Clone)]
struct Phone {
    account: String,
    token: SecretString,
    from: String,
}

#[derive(Debug, Clone)]
struct Contact {
    name: String,
    email: String,
    phone: String,
}

#[derive(Debug, Clone)]
struct Broker {
    host: String,
    login: Option<(String, SecretString)>,
}
