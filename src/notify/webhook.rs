//! A webhook: one HTTP request to ntfy, Telegram, Slack, anything.

use minijinja::Environment;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::IgnoredAny;
use std::time::Duration;

use super::words::Words;
use super::{Delivered, Failure, Outgoing, SetupError, http, on_one_line};
use crate::alarm::{About, IncidentKind, Mode};
use crate::config;

const PATIENCE: Duration = Duration::from_secs(15);

/// Sends messages to one address.
pub struct Webhook {
    name: String,
    client: Client,
    method: Method,
    url: Url,
    body: Option<String>,
    headers: HeaderMap,
    patience: Duration,
}

/// What a template may use, and the default body as JSON. Names are a contract.
#[derive(Debug, Serialize)]
struct Facts<'a> {
    title: String,
    text: String,
    site: &'a str,
    /// `alarm`, `follow-up`, `all-clear`, `disarmed`, …
    about: &'static str,
    /// `intrusion` or `gas`.
    kind: Option<&'static str>,
    incident: Option<u64>,
    sensor: Option<&'a str>,
    /// `motion`, `beam`, …
    sensor_kind: Option<&'static str>,
    mode: Option<&'static str>,
    /// The panel's state, where the message tells it.
    state: Option<&'a str>,
    confirmed: bool,
    /// RFC 3339 with the local offset; none if the clock was not set.
    time: Option<String>,
    /// `happened 02:13, delivered 02:31`, if it is late.
    late: Option<String>,
}

impl Webhook {
    /// A webhook as configured. Reads `ca-file`; connects to nothing yet.
    pub fn new(webhook: &config::Webhook) -> Result<Webhook, SetupError> {
        let value = |key, value: &str, why: String| SetupError::Value {
            key,
            value: value.to_owned(),
            why: format!("{why} (webhook {})", webhook.name),
        };
        let mut headers = HeaderMap::new();
        for (name, secret) in &webhook.headers {
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|e| value("webhook.headers", name, e.to_string()))?;
            let mut content = HeaderValue::from_str(secret.expose_secret().trim())
                .map_err(|e| value("webhook.headers", name, e.to_string()))?;
            content.set_sensitive(true);
            headers.append(header, content);
        }
        Ok(Webhook {
            name: webhook.name.clone(),
            client: http::client(webhook.ca_file.as_deref())?,
            method: Method::from_bytes(webhook.method.as_bytes())
                .map_err(|e| value("webhook.method", &webhook.method, e.to_string()))?,
            // An address may hold a token: it is not repeated.
            url: Url::parse(&webhook.url).map_err(|e| value("webhook.url", "…", e.to_string()))?,
            body: webhook.body.clone(),
            headers,
            patience: PATIENCE,
        })
    }

    /// Waits so long for an answer, instead of 15 s.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Makes the request for this message.
    pub async fn deliver(&self, mail: &Outgoing) -> Result<Delivered, Failure> {
        let doing = format!("webhook {}", self.name);
        let mut request = self
            .client
            .request(self.method.clone(), self.url.clone())
            .timeout(self.patience)
            .headers(self.headers.clone());
        if let Some(body) = self
            .body(&Facts::of(mail))
            .map_err(|e| Failure::Permanent {
                why: format!(
                    "{doing}: filling in its body: {}",
                    on_one_line(&e.to_string())
                ),
            })?
        {
            if !self.headers.contains_key(CONTENT_TYPE) {
                request = request.header(CONTENT_TYPE, content_type(&body));
            }
            request = request.body(body);
        }
        let answer = request.send().await.map_err(|e| Failure::Temporary {
            why: format!("{doing}: {}", http::explain(e)),
            after: None,
        })?;
        let answer = http::Answer::of(answer).await;
        let reply = format!("{} {}", answer.status, http::excerpt(&answer.body));
        let reply = reply.trim_end().to_owned();
        if answer.is_success() {
            return Ok(Delivered { reply });
        }
        let why = if (300..400).contains(&answer.status) {
            format!("{doing}: answered {reply}: redirects are not followed, change its url")
        } else {
            format!("{doing}: answered {reply}")
        };
        Err(answer.failure(why))
    }

    fn body(&self, facts: &Facts) -> Result<Option<String>, minijinja::Error> {
        match &self.body {
            Some(template) => Environment::new().render_str(template, facts).map(Some),
            None if self.method == Method::GET => Ok(None),
            None => Ok(Some(
                serde_json::to_string(facts).expect("facts are plain text and numbers"),
            )),
        }
    }
}

impl<'a> Facts<'a> {
    fn of(mail: &'a Outgoing) -> Self {
        let words = Words::new(mail);
        let mut facts = Facts {
            title: words.title(),
            text: words.short(),
            site: &mail.site,
            about: "",
            kind: None,
            incident: mail.notice.incident.map(|incident| incident.0),
            sensor: None,
            sensor_kind: None,
            mode: None,
            state: None,
            confirmed: false,
            time: words.time(),
            late: words.late(),
        };
        match &mail.notice.about {
            About::Alarm {
                kind,
                sensor,
                sensor_kind,
                mode,
                confirmed,
            } => {
                facts.about = "alarm";
                facts.incident_of(*kind);
                facts.sensor = Some(sensor.as_str());
                facts.sensor_kind = Some(sensor_kind.word());
                facts.mode = mode.map(Mode::word);
                facts.confirmed = *confirmed;
            }
            About::FollowUp {
                kind,
                triggers,
                confirmed,
                ..
            } => {
                facts.about = "follow-up";
                facts.incident_of(*kind);
                facts.sensor = triggers.first().map(|(sensor, _)| sensor.as_str());
                facts.confirmed = *confirmed;
            }
            About::AllClear { kind, .. } => {
                facts.about = "all-clear";
                facts.kind = Some(kind_word(*kind));
            }
            About::Disarmed { paused, .. } => {
                facts.about = "disarmed";
                facts.kind = Some("intrusion");
                facts.state = Some(if *paused { "paused" } else { "disarmed" });
            }
            About::NobodyAnswered { .. } => facts.about = "nobody-answered",
            About::Unwatched { sensor, .. } => {
                facts.about = "unwatched";
                facts.sensor = Some(sensor.as_str());
                facts.sensor_kind = Some("gas");
            }
            About::ArmedWithOpen { mode, sensors } => {
                facts.about = "armed-with-open";
                facts.sensor = sensors.first().map(|sensor| sensor.as_str());
                facts.mode = Some(mode.word());
                facts.state = Some(mode.state_name());
            }
            About::Inhibited { sensor, .. } => {
                facts.about = "inhibited";
                facts.sensor = Some(sensor.as_str());
            }
            About::Troubles { .. } => facts.about = "troubles",
            About::BootReport(report) => {
                facts.about = "boot-report";
                facts.state = Some(&report.state);
            }
            About::Drill { .. } => facts.about = "drill",
            About::Test { .. } => facts.about = "test",
            // None is sent: a webhook shows it to whoever looks on.
            About::Duress { .. } => facts.about = "duress",
        }
        facts
    }

    fn incident_of(&mut self, kind: IncidentKind) {
        self.kind = Some(kind_word(kind));
        // A gas incident leaves the panel's state as it is.
        if kind == IncidentKind::Intrusion {
            self.state = Some("triggered");
        }
    }
}

fn kind_word(kind: IncidentKind) -> &'static str {
    match kind {
        IncidentKind::Intrusion => "intrusion",
        IncidentKind::Gas => "gas",
    }
}

fn content_type(body: &str) -> &'static str {
    if serde_json::from_str::<IgnoredAny>(body).is_ok() && body.starts_with(['{', '[']) {
        "application/json"
    } else {
        "text/plain; charset=utf-8"
    }
}
