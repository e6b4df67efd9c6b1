//! `[email]`, `[phone]`, `[[contact]]` and `[access]`.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::net::is_loopback;
use super::{Check, HOUR, MINUTE, SECOND};
use crate::config::raw::Maybe;
use crate::config::raw_people::{
    RawAccess, RawContact, RawEmail, RawFaceLine, RawFactor, RawFinger, RawGrant, RawPhone,
    RawSmtpSecurity,
};
use crate::config::values::{At, Choice, WordOr};
use crate::config::{
    Access, Contact, Email, FaceInput, Factor, FingerInput, Grant, Login, Phone, SmtpSecurity,
};

impl Check<'_> {
    pub(super) fn email(&mut self, raw: &RawEmail) -> Email {
        let written = raw
            .security
            .as_ref()
            .map_or(RawSmtpSecurity::StartTls, |security| security.value);
        let (security, usual_port) = match written {
            RawSmtpSecurity::StartTls => (SmtpSecurity::StartTls, 587),
            RawSmtpSecurity::Tls => (SmtpSecurity::Tls, 465),
            RawSmtpSecurity::Plaintext => (SmtpSecurity::Plaintext, 25),
        };
        if raw.host.value.is_empty() {
            self.error(
                &raw.host.span,
                "the mail server's name is empty",
                "allowed: a host such as \"smtp.example.org\"",
            );
        }
        if let Some(place) = raw
            .security
            .as_ref()
            .filter(|_| security == SmtpSecurity::Plaintext)
            && !is_loopback(&raw.host.value)
        {
            let message = format!(
                "mail to {} would leave this machine readable by everybody on the way",
                raw.host.value
            );
            self.error(&place.span, &message, "allowed: \"starttls\" or \"tls\"; \"plaintext\" only to localhost, 127.0.0.0/8 or ::1");
        }
        if !self
            .written
            .file
            .contact
            .iter()
            .any(|contact| contact.value.email.is_some())
        {
            let place = self.written.place(&["email"]);
            self.warning(
                &place,
                "no mail is ever sent: no contact has an email",
                "add `email = …` to a [[contact]]",
            );
        }
        Email {
            host: raw.host.value.clone(),
            port: raw.port.unwrap_or(usual_port),
            security,
            login: self.login(
                &raw.username,
                "username",
                &raw.password_file,
                "password-file",
            ),
            from: raw.from.0.clone(),
            follow_up: self.time(&raw.follow_up, MINUTE, Duration::ZERO..=24 * HOUR),
            ca_file: raw.ca_file.as_ref().map(|file| self.file(file)),
        }
    }

    /// A name and its secret: both or neither.
    pub(super) fn login(
        &mut self,
        name: &Maybe<String>,
        name_key: &str,
        file: &Maybe<String>,
        file_key: &str,
    ) -> Option<Login> {
        match (name, file) {
            (None, None) => None,
            (Some(name), Some(file)) => Some(Login {
                username: name.value.clone(),
                password: self.secret(file),
            }),
            (Some(At { span, .. }), None) => {
                self.error(
                    span,
                    &format!("there is a `{name_key}` and no `{file_key}`"),
                    "allowed: both or neither",
                );
                None
            }
            (None, Some(At { span, .. })) => {
                self.error(
                    span,
                    &format!("there is a `{file_key}` and no `{name_key}`"),
                    "allowed: both or neither",
                );
                None
            }
        }
    }

    pub(super) fn secret(&mut self, file: &At<String>) -> SecretString {
        match self.secrets.read(&file.value) {
            Ok(secret) => secret,
            Err(refusal) => {
                self.error(&file.span, &refusal.message, &refusal.help);
                SecretString::default()
            }
        }
    }

    pub(super) fn phone(&mut self, raw: &At<RawPhone>) -> Phone {
        let At { value: raw, span } = raw;
        if !self
            .written
            .file
            .contact
            .iter()
            .any(|contact| contact.value.phone.is_some())
        {
            self.warning(
                span,
                "nobody is ever called: no contact has a phone",
                "add `phone = …` to a [[contact]]",
            );
        }
        let mut on_loopback = false;
        if let Some(At { value: url, span }) = &raw.base_url {
            let near = url.0.host_str().is_some_and(is_loopback);
            on_loopback = near && url.0.scheme() == "http";
            if url.0.scheme() == "http" && !near {
                self.error(
                    span,
                    "the account's token would leave this machine readable by everybody on the way",
                    "allowed: https, or http to a loopback address",
                );
            }
        }
        let sid = &raw.account_sid;
        if sid.value.is_empty()
            || !sid
                .value
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            self.error(
                &sid.span,
                "this is no account SID",
                "allowed: letters and digits, as the service shows it, such as \"AC…\"",
            );
        }
        Phone {
            base_url: raw
                .base_url
                .as_ref()
                .map_or("https://api.twilio.com", |url| url.value.0.as_str())
                .trim_end_matches('/')
                .to_owned(),
            account_sid: sid.value.clone(),
            login: self.phone_login(raw, span, on_loopback),
            from: raw.from.0.clone(),
            rounds: self.number(&raw.rounds, 2, 1..=10),
            ring_time: self.time(&raw.ring_time, 30 * SECOND, SECOND..=10 * MINUTE),
            ack_time: self.time(&raw.ack_time, 2 * MINUTE, Duration::ZERO..=HOUR),
            ladder_every: self.time(&raw.ladder_every, 5 * MINUTE, Duration::ZERO..=24 * HOUR),
            gas_again_every: self.time(&raw.gas_again_every, 10 * MINUTE, SECOND..=24 * HOUR),
            machine_detection: raw.machine_detection.unwrap_or(false),
            ca_file: raw.ca_file.as_ref().map(|file| self.file(file)),
        }
    }

    fn phone_login(
        &mut self,
        raw: &RawPhone,
        header: &std::ops::Range<usize>,
        on_loopback: bool,
    ) -> Login {
        const ONE: &str = "allowed: `auth-token-file`, or `api-key` and `api-secret-file`";
        let by_key = self.login(
            &raw.api_key,
            "api-key",
            &raw.api_secret_file,
            "api-secret-file",
        );
        let any_key = raw.api_key.is_some() || raw.api_secret_file.is_some();
        if let Some(token) = &raw.auth_token_file {
            if any_key {
                self.error(&token.span, "there are two logins", ONE);
            }
            return Login {
                username: raw.account_sid.value.clone(),
                password: self.secret(token),
            };
        }
        let broken = ["auth-token-file", "api-key", "api-secret-file"]
            .iter()
            .any(|key| self.written.element_has(header, key));
        if !broken && !on_loopback {
            self.error(header, "the login to the telephone service is missing", ONE);
        }
        // A service on this machine (the simulator's own) may ask for none.
        by_key.unwrap_or_else(|| Login {
            username: raw.account_sid.value.clone(),
            password: SecretString::default(),
        })
    }

    pub(super) fn contacts(&mut self) -> Vec<Contact> {
        let raw = &self.written.file.contact;
        self.unique(
            "contact",
            raw.iter()
                .map(|contact| (&contact.value.name.value.0, &contact.value.name.span)),
        );
        let contacts: Vec<Contact> = raw.iter().map(|contact| self.contact(contact)).collect();
        if let (Some(first), true) = (raw.first(), contacts.iter().all(|contact| contact.duress)) {
            self.warning(
                &first.value.name.span,
                "an ordinary alarm reaches nobody: every contact has duress = true",
                "add a [[contact]] without it",
            );
        }
        contacts
    }

    fn contact(&mut self, raw: &At<RawContact>) -> Contact {
        let At { value: raw, span } = raw;
        let name = &raw.name.value.0;
        let broken = ["email", "phone"]
            .iter()
            .any(|key| self.written.element_has(span, key));
        if !broken {
            self.error(
                &raw.name.span,
                &format!("\"{name}\" cannot be reached"),
                "add `email = …`, `phone = …` or both",
            );
        }
        if let Some(email) = raw.email.as_ref().filter(|_| !self.written.has("email")) {
            self.warning(
                &email.span,
                &format!("\"{name}\" gets no mail: there is no mail server"),
                "add a section [email]",
            );
        }
        if let Some(phone) = raw.phone.as_ref().filter(|_| !self.written.has("phone")) {
            self.warning(
                &phone.span,
                &format!("\"{name}\" is never called: there is no telephone service"),
                "add a section [phone]",
            );
        }
        Contact {
            name: name.clone(),
            email: raw.email.as_ref().map(|email| email.value.0.clone()),
            phone: raw.phone.as_ref().map(|phone| phone.value.0.clone()),
            duress: raw.duress.unwrap_or(false),
        }
    }

    pub(super) fn access(&mut self, raw: &At<RawAccess>) -> Access {
        let At { value: raw, span } = raw;
        let require = match &raw.require {
            None => vec![vec![Factor::Pin]],
            Some(sets) => self.require(sets, span),
        };
        let face = raw.face.as_ref().and_then(|face| self.face(face));
        let finger = raw.finger.as_ref().map(|finger| self.finger(finger));
        let asked = |factor| require.iter().flatten().any(|asked| *asked == factor);
        for (factor, key, place) in [
            (
                Factor::Face,
                "face",
                raw.face.as_ref().map(|face| &face.span),
            ),
            (
                Factor::Finger,
                "finger",
                raw.finger.as_ref().map(|finger| &finger.span),
            ),
        ] {
            if let Some(place) = place.filter(|_| !asked(factor)) {
                self.warning(
                    place,
                    &format!("`{key}` lets nobody in: no set of `require` asks for it"),
                    "add it to a set, or leave it out",
                );
            }
        }
        if require.contains(&vec![Factor::Face]) {
            let place = raw
                .require
                .as_ref()
                .map_or(span, |require| &require.span)
                .clone();
            self.warning(
                &place,
                "a photograph can fool one camera",
                "ask for a second factor: [[\"face\", \"finger\"], [\"pin\"]]",
            );
        }
        Access {
            require,
            within: self.time(&raw.within, 30 * SECOND, SECOND..=10 * MINUTE),
            grant: match raw.grant {
                None | Some(RawGrant::Disarm) => Grant::Disarm,
                Some(RawGrant::Toggle) => Grant::Toggle,
                Some(RawGrant::Pause) => Grant::Pause,
            },
            pause_for: self.time(&raw.pause_for, 30 * SECOND, SECOND..=HOUR),
            face,
            finger,
            models: raw.models.as_ref().map_or_else(
                || PathBuf::from("/usr/share/asfaleia/models"),
                PathBuf::from,
            ),
        }
    }

    fn require(
        &mut self,
        raw: &At<Vec<Vec<RawFactor>>>,
        header: &std::ops::Range<usize>,
    ) -> Vec<Vec<Factor>> {
        let At { value: sets, span } = raw;
        const SETS: &str = "allowed: sets of \"face\", \"finger\" and \"pin\", such as [[\"face\", \"finger\"], [\"pin\"]]";
        if sets.is_empty() || sets.iter().any(Vec::is_empty) {
            self.error(
                span,
                "an empty set would let everybody in, no set nobody",
                SETS,
            );
        }
        let sets: Vec<Vec<Factor>> = sets
            .iter()
            .map(|set| {
                let mut set: Vec<Factor> = set.iter().copied().map(factor).collect();
                set.sort_unstable();
                set.dedup();
                set
            })
            .collect();
        for (factor, key) in [(Factor::Face, "face"), (Factor::Finger, "finger")] {
            let asked = sets.iter().flatten().any(|asked| *asked == factor);
            if asked && !self.written.element_has(header, key) {
                let example = if factor == Factor::Face {
                    RawFaceLine::FORM
                } else {
                    "{ port = \"/dev/serial0\" } or { gpio = 21 }"
                };
                self.error(
                    span,
                    &format!("\"{key}\" is asked for, and there is nothing that reads it"),
                    &format!("add `{key} = …` to [access]; allowed: {example}"),
                );
            }
        }
        sets
    }

    fn face(&mut self, raw: &At<WordOr<RawFaceLine>>) -> Option<FaceInput> {
        match &raw.value {
            WordOr::Word(word) if word == "camera" => {
                if !self.written.has("camera") {
                    self.error(
                        &raw.span,
                        "faces come from the camera, and there is none",
                        "add a section [camera]",
                    );
                }
                Some(FaceInput::Camera)
            }
            WordOr::Word(word) => {
                self.error(
                    &raw.span,
                    &format!("no face comes from \"{word}\""),
                    &format!("allowed: {}", RawFaceLine::FORM),
                );
                None
            }
            WordOr::Table(wire) => {
                let line = self.pin(&wire.gpio, "[access] face".to_owned());
                Some(FaceInput::Gpio(self.input(
                    line,
                    wire.active,
                    wire.bias,
                    &wire.debounce,
                )))
            }
        }
    }

    fn finger(&mut self, raw: &At<RawFinger>) -> FingerInput {
        let At {
            value: finger,
            span,
        } = raw;
        match (&finger.port, &finger.gpio) {
            (None, Some(gpio)) => {
                let line = self.pin(gpio, "[access] finger".to_owned());
                FingerInput::Gpio(self.input(line, finger.active, finger.bias, &finger.debounce))
            }
            (Some(port), None) => {
                let baud = self.number(&finger.baud, 57_600, 9_600..=115_200);
                if baud % 9_600 != 0 {
                    let place = finger.baud.as_ref().map_or(&port.span, |baud| &baud.span);
                    self.error(
                        place,
                        &format!("no reader speaks at {baud} baud"),
                        "allowed: multiples of 9600, usually 57600",
                    );
                }
                FingerInput::Serial {
                    port: PathBuf::from(&port.value),
                    baud,
                }
            }
            (Some(_), Some(_)) | (None, None) => {
                self.error(
                    span,
                    "a reader is one thing: a port or a wire",
                    "allowed: { port = \"/dev/serial0\" } or { gpio = 21 }",
                );
                FingerInput::Serial {
                    port: PathBuf::new(),
                    baud: 57_600,
                }
            }
        }
    }
}

fn factor(raw: RawFactor) -> Factor {
    match raw {
        RawFactor::Face => Factor::Face,
        RawFactor::Finger => Factor::Finger,
        RawFactor::Pin => Factor::Pin,
    }
}
