//! The TOML as written: the house. One struct a section, a field a key; a comment here is the
//! key's description in the JSON Schema. What the values mean together is checked in `check`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::choice::{Choice, GpioLine, WordOr};
use super::raw_people::{RawAccess, RawContact, RawEmail, RawMqtt, RawPhone, RawWeb, RawWebhook};
use super::values::{At, HttpUrl, Identifier, Name, Pointer, Size, Time, TimeOfDay, Topic, UsbId};
use crate::alarm::{Entry, Held, Mode, SensorKind};

/// A key that may be left out, with its place when it is there.
pub(super) type Maybe<T> = Option<At<T>>;

/// The configuration of asfaleia.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "asfaleia.toml")]
pub(super) struct RawFile {
    /// Apply the file again whenever it is saved. Default: false.
    pub(super) watch: Option<bool>,
    pub(super) site: Option<RawSite>,
    pub(super) panel: Option<RawPanel>,
    pub(super) gpio: Option<RawGpio>,
    /// What is sensed.
    #[serde(default)]
    pub(super) sensor: Vec<At<RawSensor>>,
    /// Nodes on USB serial lines.
    #[serde(default)]
    pub(super) nodemcu: Vec<At<RawNodeMcu>>,
    pub(super) buzzer: Maybe<RawBuzzer>,
    pub(super) exhaust: Maybe<RawExhaust>,
    pub(super) camera: Maybe<RawCamera>,
    pub(super) email: Maybe<RawEmail>,
    pub(super) phone: Maybe<RawPhone>,
    /// Who is told: mail goes to everyone with an email, calls climb the phones in this order.
    #[serde(default)]
    pub(super) contact: Vec<At<RawContact>>,
    pub(super) access: Maybe<RawAccess>,
    pub(super) mqtt: Maybe<RawMqtt>,
    /// HTTP requests on an alarm.
    #[serde(default)]
    pub(super) webhook: Vec<At<RawWebhook>>,
    pub(super) web: Maybe<RawWeb>,
    pub(super) store: Option<RawStore>,
    pub(super) messages: Option<RawMessages>,
    pub(super) drill: Option<RawDrill>,
}

/// Which house, which Pi.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawSite {
    /// Spoken in calls, in the subject of mails. Default: Home.
    pub(super) name: Option<Name>,
    /// First part of MQTT topics. Default: made from the name.
    pub(super) id: Option<Identifier>,
    /// This Pi among several. Default: the host name.
    pub(super) node: Option<Identifier>,
}

/// Delays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawPanel {
    /// What the panel is after a boot. Default: restore.
    pub(super) on_boot: Option<RawOnBoot>,
    /// From the command to arm until it is. Default: 30s.
    pub(super) exit_delay: Maybe<Time>,
    /// From a delayed sensor's trigger to the alarm, 45 s at most. Default: 20s.
    pub(super) entry_delay: Maybe<Time>,
    /// How long the siren sounds, 15 min at most. Default: 3m.
    pub(super) siren_time: Maybe<Time>,
    /// How long all must be quiet before an incident ends. Default: 60s.
    pub(super) clear_after: Maybe<Time>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawOnBoot {
    Restore,
    Away,
}

/// Where the wires end.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawGpio {
    /// Default: auto, which takes gpiochip.
    pub(super) backend: Option<RawBackend>,
    /// Label, name or path of the chip. Default: the one that has the named lines.
    pub(super) chip: Option<Name>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawBackend {
    Auto,
    #[serde(rename = "gpiochip")]
    GpioChip,
    Rppal,
    Simulated,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawActive {
    High,
    Low,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawBias {
    PullUp,
    PullDown,
    None,
    AsIs,
}

/// One input. It has exactly one source: `gpio`, `nodemcu`, `mqtt` or `simulated = true`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawSensor {
    /// Unique.
    pub(super) name: At<Name>,
    /// What it senses.
    #[schemars(schema_with = "kinds")]
    pub(super) kind: At<SensorKind>,
    /// Where the house on the page draws it. Default: its name.
    pub(super) room: Option<Name>,
    /// The line it is wired to.
    pub(super) gpio: Maybe<GpioLine>,
    /// NODE.KEY of a serial line, such as kitchen.gas.
    pub(super) nodemcu: Maybe<String>,
    /// The topic that says its state.
    pub(super) mqtt: Maybe<RawMqttTopic>,
    /// It has no wire: the simulator and tests drive it. Default: false.
    pub(super) simulated: Maybe<bool>,
    /// The level that means active. Default: high.
    pub(super) active: Maybe<RawActive>,
    /// The resistor inside the Pi. Default: pull-down if active is high, pull-up if it is low.
    pub(super) bias: Maybe<RawBias>,
    /// Shorter pulses on its line are noise. Default: 20ms.
    pub(super) debounce: Maybe<Time>,
    /// After power-on it is not trusted for so long. Default: 60s for motion, 3m for gas, else 0s.
    pub(super) warm_up: Maybe<Time>,
    /// The modes it takes part in. Default: all three. Gas, tamper and panic always count.
    #[serde(default)]
    #[schemars(schema_with = "modes")]
    pub(super) modes: Maybe<Vec<Mode>>,
    /// What its trigger does while armed. Default: instant.
    #[serde(default)]
    #[schemars(schema_with = "entries")]
    pub(super) entry: Maybe<Entry>,
    /// Active for so long before it counts. Default: 0s.
    pub(super) hold: Maybe<Time>,
    /// So many activations before it counts. Default: 1.
    pub(super) pulses: Maybe<u32>,
    /// The activations that are counted lie within this time. Default: 10s.
    pub(super) within: Maybe<Time>,
    /// No second trigger sooner. Default: 0s.
    pub(super) cooldown: Maybe<Time>,
    /// Incidents of its own in one arming, then it is inhibited; 0 is no limit. Default: 5.
    pub(super) max_triggers: Option<u32>,
    /// A second, different sensor that makes the alarm confirmed.
    pub(super) confirm_with: Maybe<RawConfirm>,
    /// Logged, never alarms: for a new sensor. Default: false.
    pub(super) soak: Option<bool>,
    /// Silent without a sign of life for so long. Default: 10s for nodemcu, 60s for mqtt.
    pub(super) silent_after: Maybe<Time>,
    /// A gas sensor silent for so long is announced by a call. Default: 2m.
    pub(super) unwatched_call_after: Maybe<Time>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawConfirm {
    /// Any of these.
    pub(super) sensors: Vec<At<String>>,
    /// Both triggers within this time, in either order. Default: 30m.
    pub(super) within: Maybe<Time>,
    /// What waits for the second sensor. Default: nothing.
    #[serde(default)]
    #[schemars(schema_with = "held")]
    pub(super) holds_back: Vec<Held>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawMqttTopic {
    pub(super) topic: Topic,
    /// Where in a JSON payload the value stands.
    pub(super) json: Option<Pointer>,
    /// Means active. Default: 1, or true with `json`.
    pub(super) payload_on: Option<String>,
    /// Means inactive. Default: 0, or false with `json`.
    pub(super) payload_off: Option<String>,
}

/// A node on a USB serial line. It has exactly one of `port` and `usb`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawNodeMcu {
    /// As it stands in the node's lines.
    pub(super) name: At<Identifier>,
    /// A device file, best one of /dev/serial/by-id.
    pub(super) port: Maybe<String>,
    /// Any port of this make; told from its twins by the name.
    pub(super) usb: Maybe<RawUsb>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawUsb {
    pub(super) vendor: UsbId,
    pub(super) product: UsbId,
}

/// The buzzer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawBuzzer {
    /// The line it is wired to.
    pub(super) gpio: Maybe<GpioLine>,
    /// The level that switches it on. Default: high.
    pub(super) active: Option<RawActive>,
    /// It has no wire. Default: false.
    pub(super) simulated: Maybe<bool>,
}

/// The relay of the exhaust fan.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawExhaust {
    /// The line it is wired to.
    pub(super) gpio: Maybe<GpioLine>,
    /// The level that switches it on. Default: high.
    pub(super) active: Option<RawActive>,
    /// It has no wire. Default: false.
    pub(super) simulated: Maybe<bool>,
    /// Off when the gas has been clear for so long. Default: 5m.
    pub(super) run_on: Maybe<Time>,
    /// On for longer is a trouble; it stays on. Default: 2h.
    pub(super) max_run: Maybe<Time>,
}

/// The camera.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawCamera {
    /// Default: auto, the first webcam.
    pub(super) device: Maybe<WordOr<RawCameraSource>>,
    /// Pixels, 16 to 4096. Default: 1280.
    #[schemars(range(min = 16, max = 4096))]
    pub(super) width: Maybe<u32>,
    /// Pixels, 16 to 4096. Default: 720.
    #[schemars(range(min = 16, max = 4096))]
    pub(super) height: Maybe<u32>,
    /// Photos for each alarm, 1 to 20. Default: 3.
    #[schemars(range(min = 1, max = 20))]
    pub(super) burst: Maybe<u32>,
    /// Frames from before the trigger, 30 s at most; above 0 the camera stays on. Default: 0s.
    pub(super) pre_roll: Maybe<Time>,
}

/// A camera that is a program or an address: exactly one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawCameraSource {
    /// A program and its arguments; it writes a JPEG to its standard output.
    pub(super) command: Option<Vec<String>>,
    /// Answers with a JPEG.
    pub(super) url: Option<HttpUrl>,
}

impl Choice for RawCameraSource {
    const FORM: &'static str = r#""auto", "simulated", a device file such as "/dev/video0", { command = ["rpicam-jpeg", "-o", "-"] } or { url = "http://…/snapshot.jpg" }"#;
}

/// Where history lives and how long.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawStore {
    /// A directory. Default: /var/lib/asfaleia.
    pub(super) path: Maybe<String>,
    /// Photos and history are kept so long. Default: 30d.
    pub(super) keep: Maybe<Time>,
    /// Photos and history take no more. Default: 2GiB.
    pub(super) max_size: Maybe<Size>,
}

/// How long messages are tried.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawMessages {
    /// A message is tried for so long. Default: 24h.
    pub(super) give_up: Maybe<Time>,
    /// Asked each minute, so that an outside service notices a dead Pi.
    pub(super) heartbeat: Maybe<HttpUrl>,
}

/// A marked test along every path to people, again and again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawDrill {
    /// Whole days: 1d to 366d.
    pub(super) every: At<Time>,
    /// The time of day. Default: 11:00.
    pub(super) at: Option<TimeOfDay>,
}

// The alarm's own words know nothing of schemas: it uses std and serde alone.

fn kinds(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["motion", "beam", "contact", "gas", "tamper", "panic"] })
}

fn modes(_: &mut SchemaGenerator) -> Schema {
    let words = [
        "away",
        "home",
        "night",
        "armed_away",
        "armed_home",
        "armed_night",
    ];
    json_schema!({ "type": "array", "minItems": 1, "items": { "enum": words } })
}

fn entries(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["instant", "delayed", "follower"] })
}

fn held(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "enum": ["buzzer", "email", "phone"] } })
}
