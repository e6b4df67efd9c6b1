//! What tells Home Assistant what we have: its MQTT discovery documents. Pure.

use serde_json::{Value, json};

use crate::alarm::SensorKind;
use crate::config::{Sensor, Site};

use super::state::{Document, Names};

/// Where Home Assistant looks, unless it was told otherwise.
const PREFIX: &str = "homeassistant";

/// One document for each thing that we have.
pub(super) fn documents(names: &Names, site: &Site, sensors: &[Sensor]) -> Vec<Document> {
    let things = Things { names, site };
    let base = &names.base;
    let mut documents = vec![
        things.document(
            "alarm_control_panel",
            "panel",
            "Alarm",
            json!({
                "state_topic": format!("{base}/panel/state"),
                "json_attributes_topic": format!("{base}/panel/attributes"),
                "command_topic": names.command,
                // The code is typed in Home Assistant, and checked here.
                "code": "REMOTE_CODE",
                "code_arm_required": false,
                "code_disarm_required": true,
                "command_template":
                    r#"{"action": {{ action | to_json }}, "code": {{ code | to_json }}}"#,
                "supported_features": ["arm_home", "arm_away", "arm_night"],
            }),
        ),
        things.document(
            "binary_sensor",
            "exhaust",
            "Exhaust fan",
            json!({
                "state_topic": format!("{base}/exhaust/state"),
                "device_class": "running",
            }),
        ),
        things.document(
            "binary_sensor",
            "troubles",
            "Troubles",
            json!({
                "state_topic": format!("{base}/troubles"),
                "value_template": "{{ 'ON' if value_json.count > 0 else 'OFF' }}",
                "json_attributes_topic": format!("{base}/troubles"),
                "device_class": "problem",
                "entity_category": "diagnostic",
            }),
        ),
        things.document(
            "image",
            "photo",
            "Last photo",
            json!({
                "image_topic": names.photo,
                "content_type": "image/jpeg",
            }),
        ),
    ];
    for sensor in sensors {
        let Some(slug) = names.slug(&sensor.name) else {
            continue;
        };
        documents.push(things.document(
            "binary_sensor",
            &format!("sensor_{slug}"),
            sensor.name.as_str(),
            json!({
                "state_topic": format!("{base}/sensor/{slug}/state"),
                "device_class": device_class(sensor.kind),
                "availability": [
                    { "topic": names.availability },
                    { "topic": format!("{base}/sensor/{slug}/availability") },
                ],
                "availability_mode": "all",
            }),
        ));
    }
    documents
}

struct Things<'a> {
    names: &'a Names,
    site: &'a Site,
}

impl Things<'_> {
    /// A document with what all have in common, unless `own` says otherwise.
    fn document(&self, component: &str, thing: &str, name: &str, own: Value) -> Document {
        let Things { names, site } = self;
        let id = format!("{}_{thing}", names.id);
        let mut document = json!({
            "name": name,
            "unique_id": id,
            "availability": [{ "topic": names.availability }],
            "device": {
                "identifiers": [names.id],
                "name": format!("{} ({})", site.name, site.node),
                "manufacturer": "asfaleia",
                "model": "asfaleia",
                "sw_version": env!("CARGO_PKG_VERSION"),
            },
            "origin": { "name": "asfaleia", "sw_version": env!("CARGO_PKG_VERSION") },
        });
        if let (Value::Object(document), Value::Object(own)) = (&mut document, own) {
            document.extend(own);
        }
        Document {
            topic: format!("{PREFIX}/{component}/{id}/config"),
            payload: document.to_string(),
        }
    }
}

fn device_class(kind: SensorKind) -> &'static str {
    match kind {
        SensorKind::Motion => "motion",
        // Somebody stands in it.
        SensorKind::Beam => "occupancy",
        SensorKind::Contact => "opening",
        SensorKind::Gas => "gas",
        SensorKind::Tamper => "tamper",
        SensorKind::Panic => "safety",
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::config::{self, Depth};

    pub(in crate::mqtt) fn site() -> Site {
        Site {
            name: "Home".into(),
            id: "home".into(),
            node: "hall-pi".into(),
        }
    }

    /// A gas sensor with the defaults of the configuration.
    pub(in crate::mqtt) fn sensor(name: &str) -> Sensor {
        let text = format!("[[sensor]]\nname = \"{name}\"\nkind = \"gas\"\nsimulated = true\n");
        let loaded = config::parse(&text, "test", Depth::Shape).unwrap();
        loaded.config.sensors.into_iter().next().unwrap()
    }

    fn discovered(sensors: &[Sensor]) -> Vec<(String, Value)> {
        let names = Names::new(&site(), sensors);
        documents(&names, &site(), sensors)
            .into_iter()
            .map(|it| (it.topic, serde_json::from_str(&it.payload).unwrap()))
            .collect()
    }

    #[test]
    fn everything_we_have_is_announced_with_an_id_of_its_own() {
        // Named as things of ours are.
        let sensors = ["hall", "panel", "exhaust", "troubles"].map(sensor);
        let documents = discovered(&sensors);
        assert_eq!(documents.len(), 4 + sensors.len());
        let ids: HashSet<_> = documents
            .iter()
            .map(|(_, it)| it["unique_id"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), documents.len());
        for (topic, it) in &documents {
            assert!(topic.ends_with(&format!("/{}/config", it["unique_id"].as_str().unwrap())));
            assert_eq!(it["availability"][0]["topic"], "home/hall-pi/availability");
            assert_eq!(it["device"]["identifiers"][0], "home_hall-pi");
        }
    }

    #[test]
    fn the_panel_wants_a_code_to_disarm_and_none_to_arm() {
        let documents = discovered(&[]);
        let (topic, panel) = &documents[0];
        assert_eq!(
            topic,
            "homeassistant/alarm_control_panel/home_hall-pi_panel/config"
        );
        assert_eq!(panel["code"], "REMOTE_CODE");
        assert_eq!(panel["code_arm_required"], false);
        assert_eq!(panel["code_disarm_required"], true);
        assert_eq!(panel["command_topic"], "home/hall-pi/panel/set");
    }

    #[test]
    fn a_sensor_is_available_only_while_it_and_we_are() {
        let documents = discovered(&[sensor("kitchen gas")]);
        let (_, gas) = documents.last().unwrap();
        assert_eq!(gas["device_class"], "gas");
        assert_eq!(gas["state_topic"], "home/hall-pi/sensor/kitchen_gas/state");
        assert_eq!(gas["availability"].as_array().unwrap().len(), 2);
        assert_eq!(gas["availability_mode"], "all");
    }
}
