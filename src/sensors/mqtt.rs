//! Sensors behind an MQTT broker: payload -> reading.
//!
//! The broker's connection belongs to [`crate::mqtt`]; here is only what a message means. When the
//! connection is lost, these sensors fall silent: their `silent-after` says so.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::alarm::{Event, Reading, SensorName};
use crate::config::{MqttTopic, Sensor, Source};
use crate::inbox::Inbox;
use crate::mqtt::Message;

use super::{Errors, Fold};

/// All sensors that are topics.
pub struct MqttSensors {
    inbox: Inbox,
    errors: Errors,
    bound: Mutex<Vec<Bound>>,
    topics: Vec<String>,
}

struct Bound {
    sensor: SensorName,
    topic: MqttTopic,
    fold: Fold,
}

impl MqttSensors {
    /// The sensors of a configuration that are topics.
    pub fn new(sensors: &[Sensor], inbox: Inbox, errors: Errors) -> Self {
        let bound: Vec<Bound> = sensors
            .iter()
            .filter_map(|sensor| match &sensor.source {
                Source::Mqtt(topic) => Some(Bound {
                    sensor: sensor.name.clone(),
                    topic: topic.clone(),
                    fold: Fold::default(),
                }),
                Source::Gpio(_) | Source::NodeMcu { .. } | Source::Simulated => None,
            })
            .collect();
        let mut topics: Vec<String> = bound
            .iter()
            .map(|bound| bound.topic.topic.clone())
            .collect();
        topics.sort();
        topics.dedup();
        MqttSensors {
            inbox,
            errors,
            bound: Mutex::new(bound),
            topics,
        }
    }

    /// The topics to subscribe to, each once.
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// Takes one message: readings for every sensor on its topic. Never blocks.
    pub fn take(&self, message: &Message<'_>) {
        let at = self.inbox.clock().boot();
        // Folds are single values: never half changed.
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        for bound in bound.iter_mut() {
            if bound.topic.topic != message.topic {
                continue;
            }
            let Some(active) = level(&bound.topic, message.payload) else {
                self.errors.count(&bound.sensor);
                tracing::debug!(sensor = %bound.sensor, "a payload that is neither on nor off");
                continue;
            };
            let reading = Reading {
                sensor: bound.sensor.clone(),
                active,
                found: message.retained,
                raw: None,
            };
            if bound.fold.passes(&reading, at) {
                self.inbox.send_at(Event::Reading(reading), at);
            }
        }
    }
}

/// What a payload says; `None` if it is neither `payload-on` nor `payload-off`.
fn level(topic: &MqttTopic, payload: &[u8]) -> Option<bool> {
    let text = match &topic.json {
        None => std::str::from_utf8(payload).ok()?.to_owned(),
        Some(pointer) => {
            let document: Value = serde_json::from_slice(payload).ok()?;
            match document.pointer(pointer)? {
                Value::String(text) => text.clone(),
                // `true`, `1`, `21.5`: as JSON writes them, so that one pair of words serves all.
                other => other.to_string(),
            }
        }
    };
    if text == topic.payload_on {
        Some(true)
    } else if text == topic.payload_off {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;

    use super::*;
    use crate::clock::SystemClock;
    use crate::inbox::Letter;
    use crate::sensors::tests::sensor;

    fn topic(topic: &str, json: Option<&str>, on: &str, off: &str) -> MqttTopic {
        MqttTopic {
            topic: topic.into(),
            json: json.map(str::to_owned),
            payload_on: on.into(),
            payload_off: off.into(),
        }
    }

    fn sensors(topics: &[(&str, MqttTopic)]) -> (MqttSensors, Receiver<Letter>, Errors) {
        let sensors: Vec<Sensor> = topics
            .iter()
            .map(|(name, topic)| sensor(name, Source::Mqtt(topic.clone())))
            .collect();
        let (inbox, letters) = Inbox::new(SystemClock::shared());
        let errors = Errors::default();
        let sensors = MqttSensors::new(&sensors, inbox, errors.clone());
        (sensors, letters, errors)
    }

    fn message<'a>(topic: &'a str, payload: &'a str, retained: bool) -> Message<'a> {
        Message {
            topic,
            payload: payload.as_bytes(),
            retained,
        }
    }

    fn readings(letters: &Receiver<Letter>) -> Vec<(String, bool, bool)> {
        letters
            .try_iter()
            .map(|letter| match letter.event {
                Event::Reading(reading) => {
                    (reading.sensor.to_string(), reading.active, reading.found)
                }
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn the_originals_payloads_work_unchanged_and_its_tight_loop_is_folded() {
        let (sensors, letters, errors) = sensors(&[
            ("kitchen gas", topic("esp/tes", None, "0", "1")),
            ("garage", topic("esp/test", None, "1", "0")),
        ]);
        assert_eq!(sensors.topics(), ["esp/tes", "esp/test"]);
        sensors.take(&message("esp/tes", "1", false));
        for _ in 0..500 {
            sensors.take(&message("esp/tes", "0", false));
        }
        sensors.take(&message("esp/test", "1", false));
        let read = readings(&letters);
        assert_eq!(read[0], ("kitchen gas".into(), false, false));
        assert_eq!(read[1], ("kitchen gas".into(), true, false));
        assert!(read.contains(&("garage".into(), true, false)));
        assert!(read.len() < 10, "500 repeats became {}", read.len());
        assert_eq!(errors.of(&"kitchen gas".into()), 0);
    }

    #[test]
    fn a_retained_message_is_a_level_found() {
        let (sensors, letters, _) = sensors(&[("garage", topic("esp/test", None, "1", "0"))]);
        sensors.take(&message("esp/test", "1", true));
        sensors.take(&message("esp/test", "1", false));
        assert_eq!(
            readings(&letters),
            [
                ("garage".into(), true, true),
                ("garage".into(), true, false)
            ]
        );
    }

    #[test]
    fn a_value_inside_json_is_compared_as_text_and_two_sensors_share_a_topic() {
        let (sensors, letters, errors) = sensors(&[
            ("door", topic("z/1", Some("/contact"), "false", "true")),
            ("lid", topic("z/1", Some("/tamper/0"), "1", "0")),
        ]);
        assert_eq!(sensors.topics().len(), 1);
        sensors.take(&message(
            "z/1",
            r#"{"contact": false, "tamper": [1]}"#,
            false,
        ));
        sensors.take(&message(
            "z/1",
            r#"{"contact": "true", "tamper": ["0"]}"#,
            false,
        ));
        assert_eq!(
            readings(&letters),
            [
                ("door".into(), true, false),
                ("lid".into(), true, false),
                ("door".into(), false, false),
                ("lid".into(), false, false)
            ]
        );
        assert_eq!(errors.of(&"door".into()), 0);
    }

    #[test]
    fn what_is_neither_on_nor_off_is_counted_and_never_acted_on() {
        let (sensors, letters, errors) = sensors(&[
            ("garage", topic("esp/test", None, "1", "0")),
            ("door", topic("z/1", Some("/contact"), "false", "true")),
        ]);
        for payload in ["", "2", " 1", "11", "\u{fffd}"] {
            sensors.take(&message("esp/test", payload, false));
        }
        for payload in ["{}", "{", r#"{"contact": null}"#, "false"] {
            sensors.take(&message("z/1", payload, false));
        }
        sensors.take(&message("other", "1", false));
        assert_eq!(readings(&letters), []);
        assert_eq!(errors.of(&"garage".into()), 5);
        assert_eq!(errors.of(&"door".into()), 4);
    }
}
