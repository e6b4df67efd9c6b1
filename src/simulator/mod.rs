//! The virtual house, and its loopback mail server, telephone service and NodeMCU.
//!
//! The peers are real ones: SMTP, HTTP and serial bytes flow. What breaks them is [`Faults`].

mod cable;
mod call;
mod faces;
mod faults;
mod fingerprint;
mod listening;
mod mail;
mod nodemcu;
pub mod replay;
mod scenario;
mod setting;
mod telephone;
mod world;

pub use faults::{FaultSet, Faults, NetworkFault, NodeFault, PhoneFault, ReaderFault, SmtpFault};
pub use fingerprint::{Finger, Model, Ring, SimulatedReader};
pub use mail::{MailAttachment, MailServer};
pub use nodemcu::SimulatedNode;
pub use scenario::{Answers, Cue, ExtraSensor, Happening, Scenario, ScenarioError, Stage};
pub use setting::{Setting, SettingError, changed_config};
pub use telephone::TelephoneService;
pub use world::{SimulatedDevices, SimulatedHouse, World};
