//! Where readings come from: a sensor's source, and `[[nodemcu]]`.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

use super::{Check, level};
use crate::alarm::SensorKind;
use crate::config::raw::{RawActive, RawMqttTopic, RawNodeMcu, RawSensor};
use crate::config::values::At;
use crate::config::{Active, MqttTopic, NodeKey, NodeMcu, NodePort, Source};

impl Check<'_> {
    pub(super) fn nodemcus(&mut self) -> Vec<NodeMcu> {
        let raw = &self.written.file.nodemcu;
        self.unique(
            "nodemcu",
            raw.iter()
                .map(|node| (&node.value.name.value.0, &node.value.name.span)),
        );
        let nodes: Vec<NodeMcu> = raw
            .iter()
            .map(|node| self.nodemcu(&node.value, &node.span))
            .collect();
        let mut paths = BTreeSet::new();
        for (node, raw) in nodes.iter().zip(raw) {
            if let (NodePort::Path(path), Some(written)) = (&node.port, &raw.value.port)
                && !paths.insert(path.clone())
            {
                self.error(
                    &written.span,
                    "another node has this port already",
                    "allowed: one node a port",
                );
            }
            let prefix = format!("{}.", node.name);
            let mut sources = self
                .written
                .file
                .sensor
                .iter()
                .filter_map(|sensor| sensor.value.nodemcu.as_ref());
            if !sources.any(|source| source.value.starts_with(&prefix)) {
                let help = format!(
                    "add a [[sensor]] with nodemcu = \"{}.gas\" or \"{}.beam\"",
                    node.name, node.name
                );
                self.warning(&raw.value.name.span, "no sensor uses this node", &help);
            }
        }
        nodes
    }

    pub(super) fn source(&mut self, raw: &RawSensor, header: &Range<usize>) -> Source {
        let simulated = raw.simulated.as_ref().filter(|simulated| simulated.value);
        let places = [
            raw.gpio.as_ref().map(|gpio| &gpio.span),
            raw.nodemcu.as_ref().map(|node| &node.span),
            raw.mqtt.as_ref().map(|mqtt| &mqtt.span),
            simulated.map(|simulated| &simulated.span),
        ];
        let places: Vec<&Range<usize>> = places.into_iter().flatten().collect();
        const ONE: &str = "allowed: exactly one of `gpio = 18`, `nodemcu = \"NODE.gas\"`, `mqtt = { topic = … }` and `simulated = true`";
        let broken = ["gpio", "nodemcu", "mqtt", "simulated"]
            .iter()
            .any(|key| self.written.element_has(header, key));
        if places.is_empty() && !broken {
            self.error(
                &raw.name.span,
                &format!("the sensor \"{}\" has no source", raw.name.value.0),
                ONE,
            );
        }
        if let Some(second) = places.get(1) {
            self.error(
                second,
                &format!("the sensor \"{}\" has two sources", raw.name.value.0),
                ONE,
            );
        }
        let active = raw.active.as_ref().map(|active| active.value);
        if let Some(line) = &raw.gpio {
            let line_span = &line.span;
            let line = self.pin(line, format!("the sensor \"{}\"", raw.name.value.0));
            self.contact_to_ground(raw, line_span, active);
            Source::Gpio(self.input(line, active, &raw.bias, &raw.debounce))
        } else if let Some(node) = &raw.nodemcu {
            let (node, key) = self.node_key(node, raw.kind.value);
            Source::NodeMcu {
                node,
                key,
                active: level(active),
            }
        } else if let Some(topic) = &raw.mqtt {
            Source::Mqtt(self.topic(topic))
        } else {
            Source::Simulated
        }
    }

    /// A contact is mostly wired to GND (docs/wiring.md), where the default for high never lets it
    /// trigger.
    fn contact_to_ground(
        &mut self,
        raw: &RawSensor,
        gpio: &Range<usize>,
        active: Option<RawActive>,
    ) {
        let contact = match raw.kind.value {
            SensorKind::Contact | SensorKind::Tamper => true,
            SensorKind::Motion | SensorKind::Beam | SensorKind::Gas | SensorKind::Panic => false,
        };
        if contact && level(active) == Active::High && raw.bias.is_none() {
            self.warning(
                gpio,
                &format!(
                    "\"{}\" never triggers if it switches to GND: the line is pulled down",
                    raw.name.value.0
                ),
                "add bias = \"pull-up\"; or bias = \"pull-down\", if it switches to 3.3 V",
            );
        }
    }

    fn node_key(&mut self, source: &At<String>, kind: SensorKind) -> (String, NodeKey) {
        let names = self.written.names("nodemcu");
        let (node, key) = source.value.split_once('.').unwrap_or((&source.value, ""));
        if !names.contains(node) {
            let known: Vec<&str> = names.iter().map(String::as_str).collect();
            let help = if known.is_empty() {
                format!("add a [[nodemcu]] with name = \"{node}\"")
            } else {
                format!(
                    "allowed: {}, each with .gas or .beam; or add a [[nodemcu]] with this name",
                    known.join(", ")
                )
            };
            self.error(
                &source.span,
                &format!("there is no [[nodemcu]] called \"{node}\""),
                &help,
            );
        }
        let key = match key {
            "gas" => NodeKey::Gas,
            "beam" => NodeKey::Beam,
            other => {
                let help = format!("allowed: \"{node}.gas\" and \"{node}.beam\"");
                self.error(
                    &source.span,
                    &format!("a node has no key \"{other}\""),
                    &help,
                );
                return (node.to_owned(), NodeKey::Gas);
            }
        };
        if (key == NodeKey::Gas) != (kind == SensorKind::Gas) {
            let message = format!("a sensor of kind \"{}\" cannot read this key", kind.word());
            self.error(
                &source.span,
                &message,
                "allowed: .gas for kind \"gas\", .beam for any other kind",
            );
        }
        (node.to_owned(), key)
    }

    fn topic(&mut self, raw: &At<RawMqttTopic>) -> MqttTopic {
        if !self.written.has("mqtt") {
            self.error(
                &raw.span,
                "a sensor listens to MQTT, and there is no broker",
                "add a section [mqtt] with host = \"localhost\"",
            );
        }
        let topic = &raw.value;
        let (on, off) = if topic.json.is_some() {
            ("true", "false")
        } else {
            ("1", "0")
        };
        let payload_on = topic.payload_on.clone().unwrap_or_else(|| on.to_owned());
        let payload_off = topic.payload_off.clone().unwrap_or_else(|| off.to_owned());
        if payload_on == payload_off {
            self.error(
                &raw.span,
                &format!("`payload-on` and `payload-off` are both {payload_on:?}"),
                "allowed: two different payloads",
            );
        }
        MqttTopic {
            topic: topic.topic.0.clone(),
            json: topic.json.as_ref().map(|pointer| pointer.0.clone()),
            payload_on,
            payload_off,
        }
    }

    fn nodemcu(&mut self, raw: &RawNodeMcu, header: &Range<usize>) -> NodeMcu {
        const ONE: &str = "allowed: exactly one of `port = \"/dev/serial/by-id/…\"` and `usb = { vendor = \"1a86\", product = \"7523\" }`";
        let broken = ["port", "usb"]
            .iter()
            .any(|key| self.written.element_has(header, key));
        let port = match (&raw.port, &raw.usb) {
            (Some(port), None) => {
                if !port.value.starts_with('/') {
                    self.error(
                        &port.span,
                        "a port is an absolute path",
                        "allowed: a device file, best one of /dev/serial/by-id",
                    );
                } else if port.value.starts_with("/dev/ttyUSB")
                    || port.value.starts_with("/dev/ttyACM")
                {
                    self.warning(
                        &port.span,
                        "this name may change whenever the cable is pulled",
                        "take the link to it in /dev/serial/by-id, or `usb = { vendor, product }`",
                    );
                }
                NodePort::Path(PathBuf::from(&port.value))
            }
            (None, Some(usb)) => NodePort::Usb {
                vendor: usb.value.vendor.0.clone(),
                product: usb.value.product.0.clone(),
            },
            (Some(_), Some(usb)) => {
                self.error(&usb.span, "the node has two ports", ONE);
                NodePort::Path(PathBuf::new())
            }
            (None, None) => {
                if !broken {
                    self.error(&raw.name.span, "the node has no port", ONE);
                }
                NodePort::Path(PathBuf::new())
            }
        };
        NodeMcu {
            name: raw.name.value.0.clone(),
            port,
        }
    }
}
