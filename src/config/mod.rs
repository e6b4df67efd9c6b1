//! The configuration: TOML as written -> a [`Config`] that cannot be wrong.
//!
//! Everything below has been checked once, when it was read; the rest of the program trusts it.
//! The way there: `parse` (form, section by section) -> `check` (meaning, across sections), with
//! every finding on the way in a [`Diagnostic`].

mod change;
mod check;
mod choice;
mod diagnostic;
mod drill;
mod load;
mod parse;
mod policy;
mod raw;
mod raw_people;
#[cfg(test)]
mod refusals;
mod schema;
mod secrets;
mod tls;
mod units;
mod values;
mod wires;

pub use diagnostic::{Diagnostic, Rejected, Severity};
pub use drill::Drill;
pub use load::{Depth, Loaded, load, parse};
pub use schema::schema;
pub use tls::ServedTls;

// Scenarios are written, and refused, the same way.
pub(crate) use diagnostic::presentable;
pub(crate) use parse::explain;
pub(crate) use units::write_duration;
pub(crate) use values::{At, Time};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::alarm::{Confirm, Entry, Factor, Grant, Mode, SensorKind, SensorName};

/// Everything the owner decided.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which house, which Pi.
    pub site: Site,
    /// Delays of the panel.
    pub panel: Panel,
    /// Which GPIO back end.
    pub gpio: Gpio,
    /// All sensors, in the order of the file; names are unique.
    pub sensors: Vec<Sensor>,
    /// Nodes on serial lines; names are unique, and every `nodemcu` source names one.
    pub nodemcus: Vec<NodeMcu>,
    /// The buzzer.
    pub buzzer: Option<OutputLine>,
    /// The exhaust relay.
    pub exhaust: Option<Exhaust>,
    /// The camera.
    pub camera: Option<Camera>,
    /// The mail server.
    pub email: Option<Email>,
    /// The telephone service.
    pub phone: Option<Phone>,
    /// Who is told, in the order of calling.
    pub contacts: Vec<Contact>,
    /// Who is let in, by what.
    pub access: Option<Access>,
    /// The broker.
    pub mqtt: Option<Mqtt>,
    /// HTTP requests on an alarm; names are unique.
    pub webhooks: Vec<Webhook>,
    /// The dashboard and API on TCP; `None` when there is no `[web]` section.
    pub web: Option<Web>,
    /// Where history lives and how long.
    pub store: Store,
    /// How long messages are tried.
    pub messages: Messages,
    /// When drills are held by themselves; `None`: when somebody asks for one.
    pub drill: Option<Drill>,
    /// Apply the file again whenever it is saved.
    pub watch: bool,
}

/// `[site]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Spoken in calls, in the subject of mails.
    pub name: String,
    /// First part of MQTT topics: `[a-z0-9_-]+`.
    pub id: String,
    /// This Pi among several: `[a-z0-9_-]+`.
    pub node: String,
}

/// `[panel]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panel {
    /// What the panel is after a boot.
    pub on_boot: OnBoot,
    /// From the command to arm until it is.
    pub exit_delay: Duration,
    /// 45 s at most.
    pub entry_delay: Duration,
    /// 15 min at most.
    pub siren_time: Duration,
    /// How long all must be quiet before an incident ends.
    pub clear_after: Duration,
}

/// `[panel] on-boot`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnBoot {
    /// What it was.
    Restore,
    /// Armed away.
    Away,
}

/// `[gpio]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpio {
    /// Which back end.
    pub backend: GpioBackend,
    /// Label, name or path of the chip; by default the one that has the named lines.
    pub chip: Option<String>,
}

/// `[gpio] backend`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpioBackend {
    /// The kernel's character device.
    GpioChip,
    /// Raspberry Pi registers.
    Rppal,
    /// No wires: tests and the simulator drive it.
    Simulated,
}

/// A GPIO line, by BCM number or by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Line {
    /// BCM number; the kernel calls it `GPIO<n>` on a Pi.
    Number(u32),
    /// The line's name in the kernel.
    Name(String),
}

/// Which level means active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Active {
    /// 3.3 V.
    High,
    /// 0 V.
    Low,
}

/// The resistor inside the Pi.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bias {
    /// To 3.3 V.
    PullUp,
    /// To 0 V.
    PullDown,
    /// None.
    None,
    /// Leave it as it is.
    AsIs,
}

/// `[[sensor]]`
#[derive(Debug, Clone)]
pub struct Sensor {
    /// Unique.
    pub name: SensorName,
    /// What it senses.
    pub kind: SensorKind,
    /// Where the page draws it; by default its name.
    pub room: String,
    /// Where its readings come from.
    pub source: Source,
    /// Time after power-on in which it is not trusted. Zero for simulated ones.
    pub warm_up: Duration,
    /// The modes it takes part in.
    pub modes: Vec<Mode>,
    /// What its trigger does while armed.
    pub entry: Entry,
    /// Active for so long before it counts.
    pub hold: Duration,
    /// So many activations ...
    pub pulses: u32,
    /// ... in so long.
    pub within: Duration,
    /// No second trigger sooner.
    pub cooldown: Duration,
    /// Incidents of its own in one arming; 0 is no limit.
    pub max_triggers: u32,
    /// Which other sensors confirm it.
    pub confirm: Option<Confirm>,
    /// Logged, never alarms.
    pub soak: bool,
    /// Silent without a sign of life for so long. `None` where none is sent (GPIO, simulated).
    pub silent_after: Option<Duration>,
    /// A gas sensor silent for so long is announced by a call.
    pub unwatched_call_after: Duration,
}

/// Where a sensor's readings come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A wire.
    Gpio(InputLine),
    /// `NODE.KEY` of a serial node.
    NodeMcu {
        /// The node's name; it exists.
        node: String,
        /// The key of its line.
        key: NodeKey,
        /// `active = "low"` turns 0 and 1 round.
        active: Active,
    },
    /// A topic.
    Mqtt(MqttTopic),
    /// No wire: tests and the simulator drive it.
    Simulated,
}

/// Keys of the serial line that can be a sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKey {
    /// `gas=0|1`, 1 is gas.
    Gas,
    /// `beam=0|1`, 1 is broken.
    Beam,
}

/// An input wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputLine {
    /// Which; used once in the whole file.
    pub line: Line,
    /// Which level is active.
    pub active: Active,
    /// Resistor.
    pub bias: Bias,
    /// Shorter pulses are noise.
    pub debounce: Duration,
}

/// An MQTT topic as a sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttTopic {
    /// Without wildcards.
    pub topic: String,
    /// JSON pointer into the payload, `/occupancy`; `None`: the payload itself.
    pub json: Option<String>,
    /// Active.
    pub payload_on: String,
    /// Inactive. Anything else is neither, and counted as an error.
    pub payload_off: String,
}

/// `[[nodemcu]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeMcu {
    /// As in its lines; unique.
    pub name: String,
    /// How its port is found.
    pub port: NodePort,
}

/// How a node's serial port is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodePort {
    /// A device file, best one of `/dev/serial/by-id`.
    Path(PathBuf),
    /// USB vendor and product, four lower-case hex digits each.
    Usb {
        /// Vendor.
        vendor: String,
        /// Product.
        product: String,
    },
}

/// An output wire: `[buzzer]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputLine {
    /// Which; used once in the whole file. `None`: simulated, no wire.
    pub line: Option<Line>,
    /// Which level is on.
    pub active: Active,
}

/// `[exhaust]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exhaust {
    /// The relay's wire.
    pub output: OutputLine,
    /// Off when the gas has been clear for so long.
    pub run_on: Duration,
    /// Longer is a trouble.
    pub max_run: Duration,
}

/// `[camera]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Camera {
    /// Which.
    pub device: CameraDevice,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Photos for each alarm, 1 to 20.
    pub burst: u32,
    /// Frames from before the trigger, kept in memory; zero: the camera is off until needed.
    pub pre_roll: Duration,
}

/// `[camera] device`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraDevice {
    /// The first webcam.
    Auto,
    /// A device file.
    Path(PathBuf),
    /// Drawn.
    Simulated,
    /// A program that writes a JPEG to its standard output. Never empty.
    Command(Vec<String>),
    /// An address that answers with a JPEG.
    Url(String),
}

/// `[email]`
#[derive(Debug, Clone)]
pub struct Email {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub security: SmtpSecurity,
    /// Login.
    pub login: Option<Login>,
    /// The sender, an RFC 5322 mailbox.
    pub from: String,
    /// At most one more mail of an incident in this time.
    pub follow_up: Duration,
    /// Trust these roots instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// `[email] security`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// Plain, then TLS or nothing.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Loopback addresses only.
    Plaintext,
}

/// A user name and its secret.
#[derive(Debug, Clone)]
pub struct Login {
    /// Name.
    pub username: String,
    /// Secret, read from its file when the configuration was read. Empty under `check --shape`.
    pub password: SecretString,
}

/// `[phone]`
#[derive(Debug, Clone)]
pub struct Phone {
    /// Without a slash at the end. `https`, or `http` on loopback.
    pub base_url: String,
    /// `AC…`
    pub account_sid: String,
    /// Basic auth: account SID + token, or API key + secret.
    pub login: Login,
    /// E.164.
    pub from: String,
    /// How often the ladder is climbed, 1 to 10.
    pub rounds: u32,
    /// How long it rings.
    pub ring_time: Duration,
    /// Nobody acknowledged so long after a call ended: the next rung.
    pub ack_time: Duration,
    /// At most one new ladder in this time for intrusion.
    pub ladder_every: Duration,
    /// Gas calls again.
    pub gas_again_every: Duration,
    /// Ask the provider to tell machines from people.
    pub machine_detection: bool,
    /// Trust these roots instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// `[[contact]]`; at least one of `email` and `phone`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Unique.
    pub name: String,
    /// Where mail goes.
    pub email: Option<String>,
    /// E.164; never an emergency number.
    pub phone: Option<String>,
    /// Reached by a silent alarm too, and then only such contacts are.
    pub duress: bool,
}

/// `[access]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Any of these sets, of one and the same person. Never empty, no empty set.
    pub require: Vec<Vec<Factor>>,
    /// The factors of a set within this time.
    pub within: Duration,
    /// What they grant.
    pub grant: Grant,
    /// How long detection is halted.
    pub pause_for: Duration,
    /// Where faces come from.
    pub face: Option<FaceInput>,
    /// Where fingers come from.
    pub finger: Option<FingerInput>,
    /// Where the models lie.
    pub models: PathBuf,
}

/// `[access] face`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaceInput {
    /// Recognised by us.
    Camera,
    /// An authenticator of its own on a wire.
    Gpio(InputLine),
}

/// `[access] finger`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FingerInput {
    /// A reader on a serial line.
    Serial {
        /// Device file.
        port: PathBuf,
        /// Usually 57600.
        baud: u32,
        /// What the module asks for.
        password: ModulePassword,
    },
    /// An authenticator of its own on a wire.
    Gpio(InputLine),
}

/// A fingerprint module's password; 0 unless somebody set one. It does not print.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ModulePassword(pub u32);

impl std::fmt::Debug for ModulePassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ModulePassword(…)")
    }
}

/// `[mqtt]`
#[derive(Debug, Clone)]
pub struct Mqtt {
    /// The broker.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Login.
    pub login: Option<Login>,
    /// Speak TLS.
    pub tls: bool,
    /// Trust these roots instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Announce ourselves to Home Assistant.
    pub discovery: bool,
}

impl Mqtt {
    /// The broker as troubles and the log name it.
    pub fn server(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// `[[webhook]]`
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Unique.
    pub name: String,
    /// `https`, or `http` to loopback or a private address.
    pub url: String,
    /// `POST`, `PUT` or `GET`.
    pub method: String,
    /// A minijinja template that compiles; `None` is the default body.
    pub body: Option<String>,
    /// Header names and values; values from files.
    pub headers: Vec<(String, SecretString)>,
    /// Trust these roots instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// `[web]`
#[derive(Debug, Clone)]
pub struct Web {
    /// Where the dashboard and API listen.
    pub listen: SocketAddr,
    /// Certificate and key.
    pub tls: Option<WebTls>,
    /// A proxy in front of it does TLS.
    pub behind_proxy: bool,
}

/// `[web] tls`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebTls {
    /// PEM chain.
    pub certificate: PathBuf,
    /// PEM key, readable by us alone.
    pub key_file: PathBuf,
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// A directory.
    pub path: PathBuf,
    /// Photos and history are kept so long.
    pub keep: Duration,
    /// Bytes of photos and history.
    pub max_size: u64,
}

/// `[messages]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages {
    /// A message is tried for so long.
    pub give_up: Duration,
    /// An address that is asked each minute so that an outside service notices a dead Pi.
    pub heartbeat: Option<String>,
}
