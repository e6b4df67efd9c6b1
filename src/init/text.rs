//! The answers as a configuration with comments. Pure.

use std::fmt::{self, Write};

use super::{House, MQTT_PASSWORD, SMTP_PASSWORD, TWILIO_TOKEN};

/// The file's text.
pub(super) fn written(house: &House) -> String {
    let mut text = String::new();
    write_all(house, &mut text).expect("a String takes everything");
    text
}

fn write_all(house: &House, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "# Written by `asfaleia init`. docs/configuration.md has every key and its default;\n\
         # `asfaleia check` says what is wrong with a change, `asfaleia reload` applies it, and\n\
         # `asfaleia doctor` looks whether everything that stands here is there and works.\n\n\
         [site]\n\
         name = {}                    # spoken in calls, in the subject of mails",
        quoted(&house.site)
    )?;
    sensors(house, out)?;
    outputs(house, out)?;
    people(house, out)?;
    if let Some(reader) = &house.reader {
        writeln!(
            out,
            "\n[access]                           # docs/access.md; asfaleia enroll finger NAME\n\
             require = [[\"finger\"], [\"pin\"]]    # any of these lets somebody in\n\
             finger = {{ port = {} }}",
            quoted(&reader.display().to_string())
        )?;
    }
    if let Some(broker) = &house.broker {
        writeln!(
            out,
            "\n# Sensors with `mqtt`, and Home Assistant, which finds the panel by itself.\n\
             [mqtt]\nhost = {}",
            quoted(&broker.host)
        )?;
        if let Some((username, _)) = &broker.login {
            writeln!(out, "username = {}", quoted(username))?;
            writeln!(out, "password-file = {}", secret(house, MQTT_PASSWORD))?;
        }
        writeln!(
            out,
            "# [[sensor]]\n# name = \"garage door\"\n# kind = \"contact\"\n\
             # mqtt = {{ topic = \"zigbee2mqtt/door\", json = \"/contact\", payload-on = \"false\", \
             payload-off = \"true\" }}"
        )?;
    }
    Ok(())
}

fn sensors(house: &House, out: &mut String) -> fmt::Result {
    if house.nodes.is_empty() && house.wires.is_empty() {
        writeln!(
            out,
            "\n# No sensor yet: nothing is watched. One on GPIO 18 would be\n\
             # [[sensor]]\n# name = \"hall\"\n# kind = \"motion\"\n# gpio = 18"
        )?;
    }
    for node in &house.nodes {
        writeln!(
            out,
            "\n[[nodemcu]]\nname = {}                 # as it stands in the node's own lines\n\
             port = {}",
            quoted(&node.name),
            quoted(&node.port.display().to_string())
        )?;
        for (there, key, what) in [
            (node.gas, "gas", "gas always counts, armed or not"),
            (node.beam, "beam", "a broken beam, when armed"),
        ] {
            if there {
                writeln!(
                    out,
                    "\n[[sensor]]                         # {what}\nname = {}\nkind = \"{key}\"\n\
                     nodemcu = {}",
                    quoted(&format!("{} {key}", node.name)),
                    quoted(&format!("{}.{key}", node.name))
                )?;
            }
        }
    }
    for wire in &house.wires {
        writeln!(
            out,
            "\n[[sensor]]\nname = {}\nkind = {}\ngpio = {}                          # BCM number\n\
             active = {}                     # the level that means it is triggered",
            quoted(&wire.name),
            quoted(&wire.kind),
            wire.line,
            quoted(&wire.active)
        )?;
        // They switch to GND, as docs/wiring.md has them: pulled down, an open one would read as closed.
        if matches!(wire.kind.as_str(), "contact" | "tamper") {
            writeln!(out, "bias = \"pull-up\"")?;
        }
    }
    Ok(())
}

fn outputs(house: &House, out: &mut String) -> fmt::Result {
    if let Some(line) = house.buzzer {
        writeln!(out, "\n[buzzer]\ngpio = {line}")?;
    }
    if let Some(exhaust) = &house.exhaust {
        writeln!(
            out,
            "\n[exhaust]                          # on at gas; docs/wiring.md: where it may stand\n\
             gpio = {}\nactive = {}                    # \"low\" for relays that switch on at 0 V",
            exhaust.line,
            quoted(&exhaust.active)
        )?;
    }
    if let Some(camera) = &house.camera {
        writeln!(
            out,
            "\n[camera]                           # photos for each alarm\ndevice = {}",
            quoted(camera)
        )?;
    }
    Ok(())
}

fn people(house: &House, out: &mut String) -> fmt::Result {
    if let Some(mail) = &house.mail {
        writeln!(
            out,
            "\n[email]                            # STARTTLS at port 587; security = \"tls\" is 465\n\
             host = {}",
            quoted(&mail.host)
        )?;
        if mail.password.is_some() {
            writeln!(out, "username = {}", quoted(&mail.username))?;
            writeln!(out, "password-file = {}", secret(house, SMTP_PASSWORD))?;
        }
        writeln!(out, "from = {}", quoted(&mail.from))?;
    }
    if let Some(phone) = &house.phone {
        writeln!(
            out,
            "\n[phone]                            # calls by Twilio: they cost money\n\
             account-sid = {}\nauth-token-file = {}\nfrom = {}",
            quoted(&phone.account),
            secret(house, TWILIO_TOKEN),
            quoted(&phone.from)
        )?;
    }
    if !house.contacts.is_empty() {
        writeln!(
            out,
            "\n# Mail goes to everyone with an email; calls climb in this order."
        )?;
    }
    for contact in &house.contacts {
        writeln!(out, "[[contact]]\nname = {}", quoted(&contact.name))?;
        for (key, value) in [("email", &contact.email), ("phone", &contact.phone)] {
            if !value.is_empty() {
                writeln!(out, "{key} = {}", quoted(value))?;
            }
        }
    }
    Ok(())
}

fn secret(house: &House, name: &str) -> String {
    quoted(&house.secrets.join(name).display().to_string())
}

/// As TOML writes it: an answer may hold anything.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Bias, Depth, Source};
    use crate::init::Wire;

    #[test]
    fn an_answer_cannot_break_out_of_its_value() {
        for name in [
            "Anna's \"house\"",
            "a\nb = 1",
            "c\\d",
            "[x]",
            "# no comment",
        ] {
            let house = House {
                site: name.to_owned(),
                ..House::default()
            };
            let text = written(&house);
            let table: toml::Table = text
                .parse()
                .unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(table["site"]["name"].as_str(), Some(name));
            assert_eq!(table.len(), 1, "{text}");
        }
    }

    #[test]
    fn a_house_with_a_finger_reader_passes() {
        let house = House {
            site: "Home".to_owned(),
            reader: Some("/dev/serial0".into()),
            ..House::default()
        };
        let loaded = config::parse(&written(&house), "x", Depth::Shape).unwrap();
        let access = loaded.config.access.unwrap();
        assert!(matches!(
            access.finger,
            Some(config::FingerInput::Serial { port, .. }) if port.as_os_str() == "/dev/serial0"
        ));
    }

    #[test]
    fn contacts_are_wired_to_ground_and_pulled_up() {
        let wire = |kind: &str, line| Wire {
            name: kind.to_owned(),
            kind: kind.to_owned(),
            line,
            active: "high".to_owned(),
        };
        let house = House {
            site: "Home".to_owned(),
            wires: vec![wire("contact", 22), wire("tamper", 24), wire("motion", 18)],
            ..House::default()
        };
        let loaded = config::parse(&written(&house), "x", Depth::Shape).unwrap();
        let biases = (loaded.config.sensors.iter()).map(|sensor| match &sensor.source {
            Source::Gpio(wire) => wire.bias,
            other => panic!("{other:?}"),
        });
        let expected = [Bias::PullUp, Bias::PullUp, Bias::PullDown];
        assert_eq!(biases.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_house_without_anything_passes() {
        let house = House {
            site: "Home".to_owned(),
            ..House::default()
        };
        assert!(config::parse(&written(&house), "x", Depth::Shape).is_ok());
    }
}
