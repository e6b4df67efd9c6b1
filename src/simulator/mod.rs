//! The virtual house, and its loopback mail server, telephone service and NodeMCU.
//!
//! The peers are real ones: SMTP, HTTP and serial bytes flow. What breaks them is [`Faults`].

mod cable;
mod call;
mod clock;
mod devices;
mod faces;
mod faults;
mod fingerprint;
mod house;
mod listening;
mod mail;
mod memory;
mod nodemcu;
pub mod replay;
mod scenario;
mod setting;
mod shipped;
mod telephone;
mod world;

pub use clock::SimulatedClock;
pub use devices::SimulatedDevices;
pub use faults::{FaultSet, Faults, NetworkFault, NodeFault, PhoneFault, ReaderFault, SmtpFault};
pub use fingerprint::{Finger, Model, Ring, SimulatedReader};
pub use house::{CUT, SimulatedHouse};
pub use mail::{MailAttachment, MailServer};
pub use nodemcu::SimulatedNode;
pub use scenario::{Answers, Cue, ExtraSensor, Happening, Scenario, ScenarioError, Stage};
pub use setting::{Setting, SettingError, changed_config};
pub use shipped::shipped_sensors;
pub use telephone::TelephoneService;
pub use world::World;
