//! What the panel shows of itself, as retained messages. Pure.

use serde_json::json;

use crate::alarm::{SensorName, SensorState, Status, TroubleCode};
use crate::clock::Stamp;
use crate::config::{Sensor, Site};

/// A retained message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) topic: String,
    pub(super) payload: String,
}

/// Our topics: all begin with the site's id and this node's name.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// `home_hall-pi`: first part of every unique id.
    pub(super) id: String,
    /// `home/hall-pi`
    pub(super) base: String,
    pub(super) availability: String,
    pub(super) command: String,
    pub(super) photo: String,
    slugs: Vec<(SensorName, String)>,
}

impl Names {
    pub(super) fn new(site: &Site, sensors: &[Sensor]) -> Self {
        let base = format!("{}/{}", site.id, site.node);
        let mut slugs: Vec<(SensorName, String)> = Vec::new();
        for sensor in sensors {
            let slug = slug(sensor.name.as_str());
            // "Front door" and "front-door" are two sensors.
            let free = |slug: &String| slugs.iter().all(|(_, taken)| taken != slug);
            let numbered = (2..).map(|number| format!("{slug}_{number}"));
            let slug = std::iter::once(slug.clone())
                .chain(numbered)
                .find(free)
                .expect("there are more numbers than sensors");
            slugs.push((sensor.name.clone(), slug));
        }
        Names {
            id: format!("{}_{}", site.id, site.node),
            availability: format!("{base}/availability"),
            command: format!("{base}/panel/set"),
            photo: format!("{base}/photo"),
            base,
            slugs,
        }
    }

    /// The topics of one sensor's state.
    fn sensor_topics(&self, slug: &str) -> [String; 2] {
        ["state", "availability"].map(|what| format!("{}/sensor/{slug}/{what}", self.base))
    }

    /// Every topic under which [`documents`] says something of a sensor.
    pub(super) fn of_sensors(&self) -> impl Iterator<Item = String> {
        (self.slugs.iter()).flat_map(|(_, slug)| self.sensor_topics(slug))
    }

    /// A sensor's name in topics and ids.
    pub(super) fn slug(&self, sensor: &SensorName) -> Option<&str> {
        let mut slugs = self.slugs.iter();
        slugs
            .find(|(name, _)| name == sensor)
            .map(|(_, slug)| slug.as_str())
    }
}

/// Everything the panel shows now.
pub(super) fn documents(names: &Names, status: &Status, stamp: &Stamp) -> Vec<Document> {
    let document = |topic: &str, payload: String| Document {
        topic: format!("{}/{topic}", names.base),
        payload,
    };
    let until = status.until.map(|until| stamp.wall_of(until).rfc3339());
    // Home Assistant knows no pause: it sees the panel disarmed, and until when.
    let paused = status.state == "paused";
    let state = if paused { "disarmed" } else { status.state };
    let attributes = json!({
        "paused_until": if paused { until.clone() } else { None },
        "until": until,
        "mode": status.mode.map(|mode| mode.state_name()),
        "gas": status.gas,
        "incidents": status.incidents.len(),
    });
    let mut documents = vec![
        document("panel/state", state.into()),
        document("panel/attributes", attributes.to_string()),
        document("exhaust/state", on_off(status.exhaust).into()),
        document("troubles", troubles(status, stamp)),
    ];
    for sensor in &status.sensors {
        // A sensor that a new configuration has, and this connection not yet.
        let Some(slug) = names.slug(&sensor.name) else {
            continue;
        };
        let (state, available) = match sensor.state {
            SensorState::Inactive => (on_off(false), "online"),
            SensorState::Active => (on_off(true), "online"),
            SensorState::Silent => (UNKNOWN, "offline"),
            // What it says is not used, so it is not shown as if it were.
            SensorState::WarmingUp | SensorState::Inhibited | SensorState::Soak => {
                (UNKNOWN, "online")
            }
        };
        let payloads = [state, available];
        for (topic, payload) in names.sensor_topics(slug).into_iter().zip(payloads) {
            let payload = payload.into();
            documents.push(Document { topic, payload });
        }
    }
    documents
}

/// Home Assistant's word for a binary sensor of which nothing is known.
const UNKNOWN: &str = "None";

fn on_off(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

fn troubles(status: &Status, stamp: &Stamp) -> String {
    let troubles: Vec<_> = status
        .troubles
        .iter()
        // Whoever reads this has the broker: it would only be there for a moment, and untrue.
        .filter(|(trouble, _)| trouble.code != TroubleCode::Mqtt)
        .map(|(trouble, since)| {
            json!({
                "code": trouble.code,
                "subject": trouble.subject,
                "since": stamp.wall_of(*since).rfc3339(),
                "text": trouble.text,
            })
        })
        .collect();
    json!({ "count": troubles.len(), "troubles": troubles }).to_string()
}

/// A name as Home Assistant allows it in an id: `a-z`, `0-9`, `_`; other letters by their code, so
/// that they stay different.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars() {
        match letter {
            'a'..='z' | '0'..='9' => slug.push(letter),
            'A'..='Z' => slug.push(letter.to_ascii_lowercase()),
            letter if letter.is_ascii() => slug.push('_'),
            letter => slug += &format!("{:x}", u32::from(letter)),
        }
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::{BootTime, GasStatus, Mode, SensorKind, SensorStatus, Trouble};
    use crate::clock::WallTime;
    use crate::mqtt::discovery::tests::{sensor, site};

    fn status(state: &'static str) -> Status {
        let sensor = |name: &str, state| SensorStatus {
            name: name.into(),
            kind: SensorKind::Motion,
            state,
            since: BootTime::ZERO,
        };
        Status {
            state,
            mode: Some(Mode::Away),
            until: Some(BootTime::from_secs(130)),
            gas: GasStatus::Clear,
            incidents: Vec::new(),
            sensors: vec![
                sensor("hall", SensorState::Active),
                sensor("Front door", SensorState::Silent),
                sensor("front-door", SensorState::Inactive),
                sensor("κήπος", SensorState::Soak),
            ],
            buzzer: false,
            buzzer_pattern: None,
            exhaust: true,
            troubles: Vec::new(),
            walk_test: false,
            face_awaited: false,
            tries: Vec::new(),
        }
    }

    fn stamp() -> Stamp {
        Stamp {
            boot: BootTime::from_secs(100),
            wall: WallTime(1_795_427_471_000),
            boot_id: "b".into(),
        }
    }

    fn names() -> Names {
        let sensors = ["hall", "Front door", "front-door", "κήπος"].map(sensor);
        Names::new(&site(), &sensors)
    }

    fn said(status: &Status, topic: &str) -> String {
        let topic = format!("home/hall-pi/{topic}");
        let documents = documents(&names(), status, &stamp());
        let mut found = documents.into_iter().filter(|it| it.topic == topic);
        let document = found.next().expect("the topic is said");
        assert_eq!(found.next(), None, "once");
        document.payload
    }

    #[test]
    fn states_are_home_assistants_and_a_pause_is_disarmed_until() {
        let armed = status("armed_away");
        assert_eq!(said(&armed, "panel/state"), "armed_away");
        assert!(said(&armed, "panel/attributes").contains(r#""paused_until":null"#));
        let paused = status("paused");
        assert_eq!(said(&paused, "panel/state"), "disarmed");
        let attributes = said(&paused, "panel/attributes");
        assert!(
            attributes.contains(r#""paused_until":"2026-11-23T09:51:41.000Z""#),
            "{attributes}"
        );
    }

    #[test]
    fn a_silent_sensor_is_unavailable_and_one_on_trial_unknown() {
        let status = status("disarmed");
        let sensor = |slug: &str| {
            (
                said(&status, &format!("sensor/{slug}/state")),
                said(&status, &format!("sensor/{slug}/availability")),
            )
        };
        assert_eq!(sensor("hall"), ("ON".into(), "online".into()));
        assert_eq!(sensor("front_door"), ("None".into(), "offline".into()));
        assert_eq!(sensor("front_door_2"), ("OFF".into(), "online".into()));
        assert_eq!(sensor("3ba3ae3c03bf3c2"), ("None".into(), "online".into()));
        assert_eq!(said(&status, "exhaust/state"), "ON");
    }

    #[test]
    fn troubles_are_counted_and_that_the_broker_was_away_is_not_among_them() {
        let mut status = status("disarmed");
        let trouble = |code, subject: &str| Trouble {
            code,
            subject: subject.into(),
            text: "look".into(),
        };
        status.troubles = vec![
            (
                trouble(TroubleCode::NodeGone, "kitchen"),
                BootTime::from_secs(100),
            ),
            (trouble(TroubleCode::Mqtt, "localhost:1883"), BootTime::ZERO),
        ];
        let said: serde_json::Value = serde_json::from_str(&said(&status, "troubles")).unwrap();
        assert_eq!(
            said,
            json!({"count": 1, "troubles": [{
                "code": "node-gone", "subject": "kitchen",
                "since": "2026-11-23T09:51:11.000Z", "text": "look",
            }]})
        );
    }
}
