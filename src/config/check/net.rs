//! `[mqtt]`, `[[webhook]]`, `[web]`: what is reached over a network, and how safely.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use secrecy::{ExposeSecret, SecretString};

use super::Check;
use crate::config::raw_people::{RawMethod, RawMqtt, RawWeb, RawWebTls, RawWebhook};
use crate::config::values::{At, HttpUrl, Written};
use crate::config::{Mqtt, Web, WebTls, Webhook};

impl Check<'_> {
    pub(super) fn mqtt(&mut self, raw: &At<RawMqtt>) -> Mqtt {
        let raw = &raw.value;
        let host = raw
            .host
            .as_ref()
            .map_or_else(|| "localhost".to_owned(), |host| host.value.clone());
        if let Some(host) = raw.host.as_ref().filter(|host| host.value.is_empty()) {
            self.error(
                &host.span,
                "the broker's name is empty",
                "allowed: a host such as \"localhost\"",
            );
        }
        let tls = raw
            .tls
            .as_ref()
            .map_or(raw.ca_file.is_some(), |tls| tls.value);
        if let (Some(_), Some(place), false) = (&raw.ca_file, &raw.tls, tls) {
            self.error(
                &place.span,
                "there is a `ca-file`, and TLS is switched off",
                "leave `ca-file` or `tls = false` out",
            );
        }
        if let Some(username) = raw
            .username
            .as_ref()
            .filter(|_| !tls && !is_loopback(&host))
        {
            self.warning(
                &username.span,
                "the broker's password crosses the network readable by everybody on the way",
                "set `tls = true` or `ca-file`, where the broker can",
            );
        }
        Mqtt {
            port: raw.port.unwrap_or(if tls { 8883 } else { 1883 }),
            host,
            login: self.login(
                &raw.username,
                "username",
                &raw.password_file,
                "password-file",
            ),
            tls,
            ca_file: raw.ca_file.as_ref().map(|file| self.file(file)),
            discovery: raw.discovery.unwrap_or(true),
        }
    }

    pub(super) fn webhooks(&mut self) -> Vec<Webhook> {
        let raw = &self.written.file.webhook;
        self.unique(
            "webhook",
            raw.iter()
                .map(|hook| (&hook.value.name.value.0, &hook.value.name.span)),
        );
        raw.iter().map(|hook| self.webhook(hook)).collect()
    }

    fn webhook(&mut self, raw: &At<RawWebhook>) -> Webhook {
        let At { value: raw, span } = raw;
        let url = match (&raw.url, &raw.url_file) {
            (Some(url), None) => {
                self.https_or_near(url);
                url.value.0.to_string()
            }
            (None, Some(file)) => self.secret_url(file),
            (Some(_), Some(At { span, .. })) => {
                self.error(
                    span,
                    "the webhook has two addresses",
                    "allowed: one of `url` and `url-file`",
                );
                String::new()
            }
            (None, None) => {
                if !self.written.element_has(span, "url")
                    && !self.written.element_has(span, "url-file")
                {
                    self.error(
                        &raw.name.span,
                        "the webhook has no address",
                        "add `url = \"https://…\"`, or `url-file` where the address is the secret",
                    );
                }
                String::new()
            }
        };
        let mut headers: Vec<(String, SecretString)> = Vec::new();
        for (name, value) in &raw.headers {
            self.header_name(name, value);
            if reqwest::header::HeaderValue::from_str(&value.value).is_err() {
                self.error(
                    &value.span,
                    "a header's value is one line of text",
                    "allowed: no control characters",
                );
            }
            if ["authorization", "cookie", "x-api-key"].contains(&name.to_lowercase().as_str()) {
                self.error(&value.span, "a secret does not belong into this file", &format!("write header-files = {{ {name} = \"/etc/asfaleia/secrets/…\" }}; the file holds the value"));
            }
            headers.push((name.clone(), value.value.clone().into()));
        }
        for (name, file) in &raw.header_files {
            self.header_name(name, file);
            if raw.headers.contains_key(name) {
                self.error(
                    &file.span,
                    "this header is in `headers` as well",
                    "allowed: every header once",
                );
            }
            let secret = self.secret(file);
            if reqwest::header::HeaderValue::from_str(secret.expose_secret()).is_err() {
                self.error(
                    &file.span,
                    "the file holds more than one line of text",
                    "allowed: the header's value alone",
                );
            }
            headers.push((name.clone(), secret));
        }
        Webhook {
            name: raw.name.value.0.clone(),
            url,
            method: match raw.method {
                None | Some(RawMethod::Post) => "POST",
                Some(RawMethod::Put) => "PUT",
                Some(RawMethod::Get) => "GET",
            }
            .to_owned(),
            body: raw.body.as_ref().map(|body| body.0.clone()),
            headers,
            ca_file: raw.ca_file.as_ref().map(|file| self.file(file)),
        }
    }

    fn header_name(&mut self, name: &str, place: &At<String>) {
        if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
            self.error(
                &place.span,
                &format!("{name:?} is no header's name"),
                "allowed: letters, digits and -",
            );
        }
    }

    /// The address itself is the secret: it is looked at as any other, and never shown.
    fn secret_url(&mut self, file: &At<String>) -> String {
        let secret = self.secret(file);
        let text = secret.expose_secret();
        if text.is_empty() {
            return String::new(); // only the shape is looked at, or an error was told
        }
        match HttpUrl::read(text) {
            Ok(url) => {
                let url = At {
                    value: url,
                    span: file.span.clone(),
                };
                self.https_or_near(&url);
                url.value.0.to_string()
            }
            Err(_) => {
                self.error(
                    &file.span,
                    "the file holds no address",
                    &format!("allowed in it: {}", HttpUrl::FORM),
                );
                String::new()
            }
        }
    }

    /// Refuses http to the wide world.
    pub(super) fn https_or_near(&mut self, url: &At<HttpUrl>) {
        let host = url.value.0.host_str().unwrap_or_default();
        if url.value.0.scheme() == "http" && !is_near(host) {
            self.error(&url.span, "what happens in the house would be readable by everybody on the way", "allowed: https; http only to loopback, to private addresses and to names ending in .local or .lan");
        }
    }

    pub(super) fn web(&mut self, raw: &At<RawWeb>) -> Web {
        let At { value: raw, span } = raw;
        let mut listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        if let Some(At { value, span }) = &raw.listen {
            match value.parse() {
                Ok(address) => listen = address,
                Err(_) => self.error(span, &format!("{value:?} is no address to listen at"), "allowed: an IP address and a port, such as \"127.0.0.1:8080\", \"[::1]:8080\" or \"0.0.0.0:8443\""),
            }
        }
        let behind_proxy = raw.behind_proxy.unwrap_or(false);
        let encrypted = self.written.element_has(span, "tls") || behind_proxy;
        if let Some(place) = raw
            .listen
            .as_ref()
            .filter(|_| !listen.ip().is_loopback() && !encrypted)
        {
            self.error(&place.span, "logins would cross the network readable by everybody on the way", "allowed: a loopback address; any other with `tls = { certificate, key-file }`, or with `behind-proxy = true` if a proxy does TLS");
        }
        Web {
            listen,
            tls: raw.tls.as_ref().map(|tls| self.web_tls(tls)),
            behind_proxy,
        }
    }

    fn web_tls(&mut self, raw: &At<RawWebTls>) -> WebTls {
        let At { value: raw, span } = raw;
        let errors = self.errors.len();
        // That it is there and nobody else's to read; read it is with the certificate.
        self.secret(&raw.key_file);
        let tls = WebTls {
            certificate: self.file(&raw.certificate),
            key_file: self.secrets.path(&raw.key_file.value),
        };
        if self.errors.len() == errors
            && !self.secrets.are_left_alone()
            && let Err(why) = tls.open()
        {
            self.error(span, &why, "allowed: PEM files that belong together; `asfaleia certificate --out DIR` makes some");
        }
        tls
    }
}

/// `localhost`, 127.0.0.0/8 or ::1, as written in a host or an address.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || ip(host).is_some_and(|ip| ip.is_loopback())
}

/// Loopback, or an address or name of the network at home.
fn is_near(host: &str) -> bool {
    let home = match ip(host) {
        Some(IpAddr::V4(ip)) => ip.is_private() || ip.is_link_local(),
        Some(IpAddr::V6(ip)) => ip.is_unique_local() || ip.is_unicast_link_local(),
        None => host.ends_with(".local") || host.ends_with(".lan"),
    };
    home || is_loopback(host)
}

fn ip(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for near in ["localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"] {
            assert!(is_loopback(near), "{near}");
        }
        for far in [
            "localhost.example.org",
            "128.0.0.1",
            "10.0.0.1",
            "127.0.0.1.nip.io",
            "::2",
            "",
        ] {
            assert!(!is_loopback(far), "{far}");
        }
    }

    #[test]
    fn the_network_at_home_is_near_and_the_world_is_not() {
        for near in [
            "192.168.1.2",
            "10.0.0.1",
            "ntfy.local",
            "[fe80::1]",
            "[fd00::1]",
        ] {
            assert!(is_near(near), "{near}");
        }
        for far in ["8.8.8.8", "example.org", "[2001:db8::1]", "local"] {
            assert!(!is_near(far), "{far}");
        }
    }
}
