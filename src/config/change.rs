//! What a new configuration takes away: applied only while the panel is disarmed.

use std::time::Duration;

use super::units::write_duration;
use super::{Config, Sensor};
use crate::alarm::{Factor, Grant};

impl Config {
    /// What `newer` removes, or makes easier for an intruder: a sentence each. Empty: it can be
    /// applied at any time.
    pub fn loosens(&self, newer: &Config) -> Vec<String> {
        let mut found = Vec::new();
        for sensor in &self.sensors {
            match newer.sensors.iter().find(|other| other.name == sensor.name) {
                None => found.push(format!("the sensor \"{}\" is gone", sensor.name)),
                Some(other) => sensor_loosens(sensor, other, &mut found),
            }
        }
        let mut changed = |sentence: &str, was: Duration, is: Duration, looser: bool| {
            if looser {
                found.push(format!(
                    "{sentence}: {}, was {}",
                    write_duration(is),
                    write_duration(was)
                ));
            }
        };
        let (was, is) = (&self.panel, &newer.panel);
        changed(
            "the entry delay is longer",
            was.entry_delay,
            is.entry_delay,
            is.entry_delay > was.entry_delay,
        );
        changed(
            "the exit delay is longer",
            was.exit_delay,
            is.exit_delay,
            is.exit_delay > was.exit_delay,
        );
        changed(
            "the siren is shorter",
            was.siren_time,
            is.siren_time,
            is.siren_time < was.siren_time,
        );
        self.outputs_gone(newer, &mut found);
        self.contacts_gone(newer, &mut found);
        access_loosens(self, newer, &mut found);
        found
    }

    fn outputs_gone(&self, newer: &Config, found: &mut Vec<String>) {
        for (was, is, what) in [
            (self.buzzer.is_some(), newer.buzzer.is_some(), "the buzzer"),
            (
                self.exhaust.is_some(),
                newer.exhaust.is_some(),
                "the exhaust fan",
            ),
            (self.camera.is_some(), newer.camera.is_some(), "the camera"),
            (
                self.email.is_some(),
                newer.email.is_some(),
                "the mail server",
            ),
            (
                self.phone.is_some(),
                newer.phone.is_some(),
                "the telephone service",
            ),
            (self.mqtt.is_some(), newer.mqtt.is_some(), "the MQTT broker"),
        ] {
            if was && !is {
                found.push(format!("{what} is gone"));
            }
        }
        for hook in &self.webhooks {
            if !newer.webhooks.iter().any(|other| other.name == hook.name) {
                found.push(format!("the webhook \"{}\" is gone", hook.name));
            }
        }
    }

    fn contacts_gone(&self, newer: &Config, found: &mut Vec<String>) {
        for contact in &self.contacts {
            let name = &contact.name;
            let Some(other) = newer.contacts.iter().find(|other| other.name == *name) else {
                found.push(format!("the contact \"{name}\" is gone"));
                continue;
            };
            if contact.email.is_some() && other.email.is_none() {
                found.push(format!("\"{name}\" gets no mail any more"));
            }
            if contact.phone.is_some() && other.phone.is_none() {
                found.push(format!("\"{name}\" is not called any more"));
            }
            if contact.duress != other.duress {
                found.push(format!(
                    "\"{name}\" hears of other alarms than before (duress)"
                ));
            }
        }
    }
}

fn sensor_loosens(was: &Sensor, is: &Sensor, found: &mut Vec<String>) {
    let name = &was.name;
    let mut say = |sentence: String| found.push(format!("the sensor \"{name}\" {sentence}"));
    if was.kind != is.kind {
        say(format!(
            "is of another kind: {}, was {}",
            is.kind.word(),
            was.kind.word()
        ));
    }
    if was.source != is.source {
        say("has another source".to_owned());
    }
    for mode in was.modes.iter().filter(|mode| !is.modes.contains(mode)) {
        say(format!("does not take part in {} any more", mode.word()));
    }
    if was.entry != is.entry && was.entry == crate::alarm::Entry::Instant {
        say("is not instant any more".to_owned());
    } else if was.entry != is.entry && is.entry == crate::alarm::Entry::Delayed {
        say("is always delayed now".to_owned());
    }
    if is.soak && !was.soak {
        say("is on trial (soak): it never alarms".to_owned());
    }
    for (what, before, after) in [
        ("hold", was.hold, is.hold),
        ("cooldown", was.cooldown, is.cooldown),
        ("warm-up", was.warm_up, is.warm_up),
        (
            "silent-after",
            was.silent_after.unwrap_or_default(),
            is.silent_after.unwrap_or_default(),
        ),
        (
            "unwatched-call-after",
            was.unwatched_call_after,
            is.unwatched_call_after,
        ),
    ] {
        if after > before {
            say(format!(
                "has a longer {what}: {}, was {}",
                write_duration(after),
                write_duration(before)
            ));
        }
    }
    if is.pulses > was.pulses || (is.pulses > 1 && is.within < was.within) {
        say("needs more pulses, or the same in less time".to_owned());
    }
    // 0 is no limit.
    if is.max_triggers != 0 && (was.max_triggers == 0 || is.max_triggers < was.max_triggers) {
        say(format!(
            "is inhibited sooner: after {} incidents",
            is.max_triggers
        ));
    }
    let held_before = was
        .confirm
        .as_ref()
        .map(|confirm| confirm.holds_back.as_slice())
        .unwrap_or_default();
    let held_now = is
        .confirm
        .as_ref()
        .map(|confirm| confirm.holds_back.as_slice())
        .unwrap_or_default();
    if held_now.iter().any(|held| !held_before.contains(held)) {
        say("holds more back until it is confirmed".to_owned());
    } else if !held_now.is_empty() && was.confirm != is.confirm {
        say("is confirmed by other sensors, or in another time".to_owned());
    }
}

fn access_loosens(was: &Config, is: &Config, found: &mut Vec<String>) {
    let inputs = |config: &Config| {
        let access = config.access.as_ref();
        access.map_or((None, None), |it| (it.face.clone(), it.finger.clone()))
    };
    if is.access.is_some() && inputs(was) != inputs(is) {
        found.push("faces or fingers come from elsewhere".to_owned());
    }
    // Without the section a PIN is enough.
    let (was, is) = (was.policy(), is.policy());
    if is.panel.pause_for > was.panel.pause_for {
        found.push(format!(
            "a pause is longer: {}, was {}",
            write_duration(is.panel.pause_for),
            write_duration(was.panel.pause_for)
        ));
    }
    let (was, is) = (was.access, is.access);
    let words = |set: &[Factor]| {
        let words: Vec<&str> = set.iter().copied().map(factor_word).collect();
        words.join(" and ")
    };
    for set in &is.require {
        // As strict as before only if some earlier way asked for no more than this one does.
        let stricter = was
            .require
            .iter()
            .any(|before| before.iter().all(|factor| set.contains(factor)));
        if !stricter {
            found.push(format!("{} is enough for access now", words(set)));
        }
    }
    if was.grant != is.grant && is.grant != Grant::Pause {
        found.push("access grants something else".to_owned());
    }
    if is.within > was.within {
        found.push("the factors of access may lie further apart".to_owned());
    }
}

fn factor_word(factor: Factor) -> &'static str {
    match factor {
        Factor::Face => "a face",
        Factor::Finger => "a finger",
        Factor::Pin => "a PIN",
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Depth, parse};
    use super::*;

    const HOUSE: &str = r#"
[panel]
entry-delay = "20s"
[[sensor]]
name = "hall"
kind = "motion"
simulated = true
[[sensor]]
name = "door"
kind = "contact"
simulated = true
entry = "follower"
[buzzer]
simulated = true
[exhaust]
simulated = true
[email]
host = "localhost"
from = "a@b.c"
[phone]
account-sid = "AC1"
auth-token-file = "/x"
from = "+15005550006"
[[contact]]
name = "Anna"
email = "a@b.c"
phone = "+302101234567"
[access]
require = [["face", "finger"]]
face = { gpio = 24 }
finger = { gpio = 21 }
"#;

    fn house(text: &str) -> Config {
        parse(text, "house.toml", Depth::Shape)
            .unwrap_or_else(|why| panic!("{why}"))
            .config
    }

    #[test]
    #[rustfmt::skip]
    fn what_weakens_the_house_is_named_and_the_way_back_is_free() {
        for (from, to, sentence) in [
            ("[[sensor]]\nname = \"hall\"\nkind = \"motion\"\nsimulated = true\n", "", "the sensor \"hall\" is gone"),
            ("kind = \"motion\"", "kind = \"motion\"\nmodes = [\"away\", \"night\"]", "does not take part in home"),
            ("kind = \"motion\"", "kind = \"motion\"\nsoak = true", "on trial"),
            ("kind = \"motion\"", "kind = \"motion\"\nhold = \"2s\"", "longer hold: 2s, was 0s"),
            ("kind = \"motion\"", "kind = \"motion\"\ncooldown = \"5s\"", "longer cooldown"),
            ("kind = \"motion\"", "kind = \"motion\"\npulses = 2", "more pulses"),
            ("kind = \"motion\"", "kind = \"motion\"\nmax-triggers = 2", "sooner: after 2"),
            ("kind = \"motion\"", "kind = \"motion\"\nentry = \"delayed\"", "not instant"),
            ("entry = \"follower\"", "entry = \"delayed\"", "always delayed"),
            ("kind = \"motion\"", "kind = \"motion\"\nconfirm-with = { sensors = [\"door\"], holds-back = [\"phone\"] }", "holds more back"),
            ("\"20s\"", "\"40s\"", "entry delay is longer: 40s, was 20s"),
            ("[panel]", "[panel]\nsiren-time = \"1m\"", "siren is shorter: 1m, was 3m"),
            ("[buzzer]\nsimulated = true\n", "", "the buzzer is gone"),
            ("[exhaust]\nsimulated = true\n", "", "the exhaust fan is gone"),
            ("[email]\nhost = \"localhost\"\nfrom = \"a@b.c\"\n", "", "the mail server is gone"),
            ("\nemail = \"a@b.c\"\nphone", "\nphone", "\"Anna\" gets no mail"),
            ("phone = \"+302101234567\"\n", "", "\"Anna\" is not called"),
            ("name = \"Anna\"", "name = \"Anna\"\nduress = true", "(duress)"),
            ("name = \"Anna\"", "name = \"Ben\"", "the contact \"Anna\" is gone"),
            ("[[\"face\", \"finger\"]]", "[[\"face\", \"finger\"], [\"pin\"]]", "a PIN is enough"),
            ("[[\"face\", \"finger\"]]", "[[\"finger\"]]", "a finger is enough"),
            ("[access]", "[access]\ngrant = \"toggle\"", "grants something else"),
            ("[access]", "[access]\nwithin = \"60s\"", "further apart"),
            ("finger = { gpio = 21 }", "finger = { gpio = 20 }", "come from elsewhere"),
        ] {
            assert!(HOUSE.contains(from), "{from}");
            let (strong, weak) = (house(HOUSE), house(&HOUSE.replacen(from, to, 1)));
            let said = strong.loosens(&weak);
            assert_eq!(said.len(), 1, "{to}: {said:?}");
            assert!(said[0].contains(sentence), "{sentence}: {said:?}");
        }
    }

    #[test]
    fn the_same_and_a_stricter_house_can_be_applied_at_any_time() {
        let was = house(HOUSE);
        assert!(was.loosens(&was).is_empty());
        let stricter = HOUSE
            .replace("\"20s\"", "\"10s\"")
            .replace("entry = \"follower\"", "entry = \"instant\"")
            .replace(
                "[[\"face\", \"finger\"]]",
                "[[\"face\", \"finger\", \"pin\"]]",
            )
            + "[[sensor]]\nname = \"new\"\nkind = \"beam\"\nsimulated = true\n";
        assert_eq!(was.loosens(&house(&stricter)), Vec::<String>::new());
    }

    #[test]
    fn without_the_section_a_pin_is_enough() {
        let without = HOUSE.split("[access]").next().unwrap();
        let said = house(HOUSE).loosens(&house(without));
        assert_eq!(said, ["a PIN is enough for access now"]);
        let with_pin = format!("{without}[access]\n");
        assert!(house(without).loosens(&house(&with_pin)).is_empty());
        let said = house(without).loosens(&house(HOUSE));
        assert_eq!(said.len(), 2, "{said:?}");
    }
}
