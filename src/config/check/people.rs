//! `[email]`, `[phone]`, `[[contact]]` and `[access]`.

use std::time::Duration;

use secrecy::SecretString;

use super::net::is_loopback;
use super::{Check, HOUR, MINUTE, SECOND};
use crate::config::raw::Maybe;
use crate::config::raw_people::{RawContact, RawEmail, RawPhone, RawSmtpSecurity};
use crate::config::values::At;
use crate::config::{Contact, Email, Login, Phone, SmtpSecurity};

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
}
