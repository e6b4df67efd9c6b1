//! What is broken in the simulated world, as `PUT sim/faults` says it.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::camera::{CameraFault, FaultSwitch};

/// Everything that can be broken; `None` is in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultSet {
    /// The mail server.
    pub smtp: Option<SmtpFault>,
    /// The telephone service.
    pub phone: Option<PhoneFault>,
    /// The camera.
    pub camera: Option<CameraFault>,
    /// The NodeMCU's cable.
    pub nodemcu: Option<NodeFault>,
    /// The way to mail server and telephone service.
    pub network: Option<NetworkFault>,
    /// The finger reader.
    pub finger: Option<ReaderFault>,
}

/// What can be wrong with the mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SmtpFault {
    /// Connections are refused.
    #[serde(rename = "down")]
    Down,
    /// It accepts connections and says nothing.
    #[serde(rename = "hang")]
    Hang,
    /// It takes no recipient for now.
    #[serde(rename = "451")]
    TryLater,
    /// It takes no login.
    #[serde(rename = "535")]
    LoginRefused,
}

/// What can be wrong with the telephone service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PhoneFault {
    /// Connections are refused.
    #[serde(rename = "down")]
    Down,
    /// It accepts connections and says nothing.
    #[serde(rename = "hang")]
    Hang,
    /// It fails.
    #[serde(rename = "500")]
    Fails,
    /// It wants fewer requests.
    #[serde(rename = "429")]
    TooMany,
    /// Whoever is called talks to somebody else.
    #[serde(rename = "busy")]
    Busy,
    /// Whoever is called does not answer.
    #[serde(rename = "no-answer")]
    NoAnswer,
}

/// What can be wrong with the NodeMCU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeFault {
    /// The cable is pulled; put back, the port has another name.
    Unplugged,
    /// Noise on the line: every other line arrives damaged.
    Garbage,
}

/// What can be wrong with the finger reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReaderFault {
    /// The cable is pulled; put back, the port has another name.
    Unplugged,
    /// It does not answer.
    Silent,
    /// Noise on the line, always, and answers are damaged.
    Garbage,
    /// Its answers have a wrong sum.
    WrongSum,
    /// Its answers break off in their middle.
    Half,
}

/// What can be wrong with the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkFault {
    /// Neither mail server nor telephone service can be reached.
    Down,
}

impl FaultSet {
    /// The mail server's state as a client sees it.
    pub(super) fn at_mail(&self) -> Option<SmtpFault> {
        self.network
            .map_or(self.smtp, |NetworkFault::Down| Some(SmtpFault::Down))
    }

    /// The telephone service's state as a client sees it.
    pub(super) fn at_phone(&self) -> Option<PhoneFault> {
        self.network
            .map_or(self.phone, |NetworkFault::Down| Some(PhoneFault::Down))
    }
}

/// The simulated world's faults while it runs. Clones are the same faults.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    set: Arc<watch::Sender<FaultSet>>,
    camera: FaultSwitch,
}

impl Faults {
    /// Puts these JPEGs before the camera, one after another; none: the house.
    pub(super) fn show_faces(&self, frames: Vec<Vec<u8>>) {
        self.camera.show(frames);
    }

    /// Changes what the JSON object names, such as `{"smtp": "down", "phone": null}`: a missing
    /// field is left alone, `null` mends. Answers with all faults; an error says what is allowed
    /// and changes nothing.
    pub fn put(&self, change: Value) -> Result<Value, String> {
        let change: Change = serde_json::from_value(change).map_err(|error| error.to_string())?;
        self.change(|set| {
            let FaultSet {
                smtp,
                phone,
                camera,
                nodemcu,
                network,
                finger,
            } = set;
            *smtp = change.smtp.unwrap_or(*smtp);
            *phone = change.phone.unwrap_or(*phone);
            *camera = change.camera.unwrap_or(*camera);
            *nodemcu = change.nodemcu.unwrap_or(*nodemcu);
            *network = change.network.unwrap_or(*network);
            *finger = change.finger.unwrap_or(*finger);
        });
        Ok(self.json())
    }

    /// Changes faults from within the program, as a scenario does.
    pub fn change(&self, change: impl FnOnce(&mut FaultSet)) {
        self.set.send_modify(change);
        self.camera.set(self.now().camera);
    }

    /// Everything that can be put before each key of `PUT sim/faults`, for the page's switches.
    pub fn choices() -> Value {
        json!({
            "network": ["down"],
            "smtp": ["down", "hang", "451", "535"],
            "phone": ["down", "hang", "500", "429", "busy", "no-answer"],
            "camera": ["gone", "stalled"],
            "nodemcu": ["unplugged", "garbage"],
            "finger": ["unplugged", "silent", "garbage", "wrong-sum", "half"],
        })
    }

    /// All faults as `PUT sim/faults` takes them.
    pub fn json(&self) -> Value {
        serde_json::to_value(self.now()).expect("words are JSON")
    }

    /// All faults.
    pub fn now(&self) -> FaultSet {
        *self.set.borrow()
    }

    /// The camera's, for `Camera::start`.
    pub fn camera(&self) -> FaultSwitch {
        self.camera.clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<FaultSet> {
        self.set.subscribe()
    }
}

/// The outer option: is it named; the inner one: is there a fault.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(default, deserialize_with = "named")]
    smtp: Option<Option<SmtpFault>>,
    #[serde(default, deserialize_with = "named")]
    phone: Option<Option<PhoneFault>>,
    #[serde(default, deserialize_with = "named")]
    camera: Option<Option<CameraFault>>,
    #[serde(default, deserialize_with = "named")]
    nodemcu: Option<Option<NodeFault>>,
    #[serde(default, deserialize_with = "named")]
    network: Option<Option<NetworkFault>>,
    #[serde(default, deserialize_with = "named")]
    finger: Option<Option<ReaderFault>>,
}

fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_stays_and_null_mends() {
        let faults = Faults::default();
        faults
            .put(json!({"smtp": "451", "phone": "no-answer", "camera": "stalled"}))
            .unwrap();
        let answer = faults
            .put(json!({"smtp": null, "nodemcu": "garbage"}))
            .unwrap();
        assert_eq!(
            answer,
            json!({"smtp": null, "phone": "no-answer", "camera": "stalled",
                   "nodemcu": "garbage", "network": null, "finger": null})
        );
        assert_eq!(faults.put(json!({})).unwrap(), answer);
    }

    #[test]
    fn every_word_of_the_contract_is_taken_and_told_back() {
        let faults = Faults::default();
        let choices = Faults::choices();
        let choices = choices.as_object().unwrap();
        let known = faults.json();
        assert!(choices.keys().eq(known.as_object().unwrap().keys()));
        for (what, words) in choices {
            for word in words.as_array().unwrap() {
                let answer = faults.put(json!({what: word})).unwrap();
                assert_eq!(answer[what], *word);
            }
        }
    }

    #[test]
    fn an_unknown_word_is_refused_with_what_is_allowed_and_nothing_changes() {
        let faults = Faults::default();
        let error = faults
            .put(json!({"phone": "busy", "smtp": "dwn"}))
            .unwrap_err();
        assert!(error.contains("dwn") && error.contains("hang"), "{error}");
        let error = faults.put(json!({"smpt": "down"})).unwrap_err();
        assert!(error.contains("smpt") && error.contains("smtp"), "{error}");
        assert_eq!(faults.now(), FaultSet::default());
    }

    #[test]
    fn without_a_network_neither_mail_nor_telephone_is_reached() {
        let faults = Faults::default();
        faults
            .put(json!({"network": "down", "phone": "busy"}))
            .unwrap();
        assert_eq!(faults.now().at_mail(), Some(SmtpFault::Down));
        assert_eq!(faults.now().at_phone(), Some(PhoneFault::Down));
    }
}
