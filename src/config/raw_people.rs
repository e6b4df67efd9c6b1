//! The TOML as written: people, and the ways to and from them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::choice::{Choice, GpioLine, WordOr};
use super::raw::{Maybe, RawActive, RawBias};
use super::values::{At, HttpUrl, MailAddress, Name, PhoneNumber, Template, Time};

/// The mail server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawEmail {
    pub(super) host: At<String>,
    /// Default: 587 for starttls, 465 for tls, 25 for plaintext.
    pub(super) port: Option<u16>,
    /// Default: starttls. plaintext is for loopback only.
    pub(super) security: Maybe<RawSmtpSecurity>,
    /// Together with `password-file`.
    pub(super) username: Maybe<String>,
    /// Readable by asfaleia alone; a name without a slash at its start is a systemd credential.
    pub(super) password_file: Maybe<String>,
    /// The sender.
    pub(super) from: MailAddress,
    /// At most one more mail of an incident in this time. Default: 60s.
    pub(super) follow_up: Maybe<Time>,
    /// PEM roots to trust instead of the system's.
    pub(super) ca_file: Maybe<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawSmtpSecurity {
    #[serde(rename = "starttls")]
    StartTls,
    Tls,
    Plaintext,
}

/// The telephone service.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawPhone {
    /// Default: twilio, or who speaks the same under another `base-url`.
    #[allow(
        dead_code,
        reason = "one provider so far; the key is fixed by the contract"
    )]
    pub(super) provider: Option<RawProvider>,
    /// Default: <https://api.twilio.com>.
    pub(super) base_url: Maybe<HttpUrl>,
    /// AC and 32 characters.
    pub(super) account_sid: At<String>,
    /// Readable by asfaleia alone; a name without a slash at its start is a systemd credential.
    pub(super) auth_token_file: Maybe<String>,
    /// Instead of the account's token; together with `api-secret-file`.
    pub(super) api_key: Maybe<String>,
    /// Instead of the account's token; together with `api-key`.
    pub(super) api_secret_file: Maybe<String>,
    /// The number that calls.
    pub(super) from: PhoneNumber,
    /// How often the ladder of contacts is climbed, 1 to 10. Default: 2.
    #[schemars(range(min = 1, max = 10))]
    pub(super) rounds: Maybe<u32>,
    /// How long it rings, 1 s to 10 min. Default: 30s.
    pub(super) ring_time: Maybe<Time>,
    /// Nobody acknowledged so long after a call ended: the next rung. Default: 2m.
    pub(super) ack_time: Maybe<Time>,
    /// At most one new ladder in this time for intrusion; 0s is no limit. Default: 5m.
    pub(super) ladder_every: Maybe<Time>,
    /// Gas calls again until acknowledged or clear. Default: 10m.
    pub(super) gas_again_every: Maybe<Time>,
    /// Ask the service to tell answering machines from people. Default: false.
    pub(super) machine_detection: Option<bool>,
    /// PEM roots to trust instead of the system's.
    pub(super) ca_file: Maybe<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawProvider {
    Twilio,
}

/// Somebody to tell. Has an `email`, a `phone`, or both.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawContact {
    /// Unique.
    pub(super) name: At<Name>,
    pub(super) email: Maybe<MailAddress>,
    pub(super) phone: Maybe<PhoneNumber>,
    /// Reached by a silent alarm, and only such contacts are. Default: false.
    pub(super) duress: Option<bool>,
}

/// Who is let in, by what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawAccess {
    /// Any of these sets, of one and the same person. Default: a PIN.
    pub(super) require: Maybe<Vec<Vec<RawFactor>>>,
    /// The factors of a set within this time, 1 s to 10 min. Default: 30s.
    pub(super) within: Maybe<Time>,
    /// Default: disarm.
    pub(super) grant: Option<RawGrant>,
    /// How long `pause` halts the detection of intrusion, 1 h at most. Default: 30s.
    pub(super) pause_for: Maybe<Time>,
    /// Where faces come from.
    pub(super) face: Maybe<WordOr<RawFaceLine>>,
    /// Where fingers come from: a reader on a port, or an authenticator on a wire.
    pub(super) finger: Maybe<RawFinger>,
    /// Where the models of face recognition lie. Default: /usr/share/asfaleia/models.
    pub(super) models: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawFactor {
    Face,
    Finger,
    Pin,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawGrant {
    Disarm,
    Toggle,
    Pause,
}

/// An authenticator of its own on a wire, as the original's GPIO 24.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawFaceLine {
    pub(super) gpio: At<GpioLine>,
    /// Default: high.
    pub(super) active: Option<RawActive>,
    /// Default: pull-down if active is high, pull-up if it is low.
    pub(super) bias: Maybe<RawBias>,
    /// Default: 20ms.
    pub(super) debounce: Maybe<Time>,
}

impl Choice for RawFaceLine {
    const FORM: &'static str = r#""camera" or { gpio = 24 }"#;
}

/// A fingerprint reader: exactly one of `port` and `gpio`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawFinger {
    /// A device file.
    pub(super) port: Maybe<String>,
    /// A multiple of 9600 up to 115200. Default: 57600.
    pub(super) baud: Maybe<u32>,
    /// A file with the module's password: a number up to 4294967295, or 0x and hexadecimal digits.
    /// Default: 0, as modules are sold.
    pub(super) password_file: Maybe<String>,
    /// An authenticator of its own on a wire, as the original's GPIO 21.
    pub(super) gpio: Maybe<GpioLine>,
    /// Default: high.
    pub(super) active: Option<RawActive>,
    /// Default: pull-down if active is high, pull-up if it is low.
    pub(super) bias: Maybe<RawBias>,
    /// Default: 20ms.
    pub(super) debounce: Maybe<Time>,
}

/// The broker.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawMqtt {
    /// Default: localhost.
    pub(super) host: Maybe<String>,
    /// Default: 1883, with TLS 8883.
    pub(super) port: Option<u16>,
    /// Together with `password-file`.
    pub(super) username: Maybe<String>,
    /// Readable by asfaleia alone; a name without a slash at its start is a systemd credential.
    pub(super) password_file: Maybe<String>,
    /// Default: true with `ca-file`, else false.
    pub(super) tls: Maybe<bool>,
    /// PEM roots to trust instead of the system's.
    pub(super) ca_file: Maybe<String>,
    /// Announce ourselves to Home Assistant. Default: true.
    pub(super) discovery: Option<bool>,
}

/// An HTTP request on an alarm. Has exactly one of `url` and `url-file`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawWebhook {
    /// Unique.
    pub(super) name: At<Name>,
    /// https, or http to loopback or a private address.
    pub(super) url: Maybe<HttpUrl>,
    /// A file with the address, where the address itself is the secret (Slack, Telegram).
    pub(super) url_file: Maybe<String>,
    /// Default: POST.
    pub(super) method: Option<RawMethod>,
    /// A minijinja template. Default: JSON with everything.
    pub(super) body: Option<Template>,
    /// Headers that are no secrets.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, At<String>>,
    /// Headers whose values are read from files.
    #[serde(default)]
    pub(super) header_files: BTreeMap<String, At<String>>,
    /// PEM roots to trust instead of the system's.
    pub(super) ca_file: Maybe<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum RawMethod {
    Post,
    Put,
    Get,
}

/// The dashboard and API on TCP.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawWeb {
    /// Default: 127.0.0.1:8080. Beyond loopback only with `tls` or `behind-proxy`.
    pub(super) listen: Maybe<String>,
    pub(super) tls: Maybe<RawWebTls>,
    /// A proxy in front of it does TLS. Default: false.
    pub(super) behind_proxy: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawWebTls {
    /// PEM chain.
    pub(super) certificate: At<String>,
    /// PEM key, readable by asfaleia alone.
    pub(super) key_file: At<String>,
}
