//! The configuration in the alarm's own terms.

use std::time::Duration;

use super::{Config, Contact, Sensor, Source};
use crate::alarm::{
    AccessPolicy, ExhaustPolicy, PanelPolicy, PhonePolicy, Policy, PowerOn, Rung, SensorPolicy,
};

/// An alarm mail leaves without a photo after this long (the contract fixes it).
const PHOTO_WAIT: Duration = Duration::from_secs(5);

/// At most one mail of troubles in this time (the contract fixes it).
const TROUBLE_MAIL_EVERY: Duration = Duration::from_secs(3_600);

/// Without `[access]` a pause by command is as long as the original's.
const PAUSE_FOR: Duration = Duration::from_secs(30);

/// Without `[email]` no mail follows another; the rhythm of webhooks is the same.
const FOLLOW_UP: Duration = Duration::from_secs(60);

impl Config {
    /// What the alarm needs to know of it.
    pub fn policy(&self) -> Policy {
        Policy {
            panel: PanelPolicy {
                exit_delay: self.panel.exit_delay,
                entry_delay: self.panel.entry_delay,
                siren_time: self.panel.siren_time,
                clear_after: self.panel.clear_after,
                pause_for: self
                    .access
                    .as_ref()
                    .map_or(PAUSE_FOR, |access| access.pause_for),
            },
            sensors: self.sensors.iter().map(sensor).collect(),
            exhaust: self.exhaust.as_ref().map(|exhaust| ExhaustPolicy {
                run_on: exhaust.run_on,
                max_run: exhaust.max_run,
            }),
            phone: self.phone_policy(),
            access: self.access_policy(),
            burst: self.camera.as_ref().map_or(0, |camera| camera.burst),
            photo_wait: PHOTO_WAIT,
            follow_up: self
                .email
                .as_ref()
                .map_or(FOLLOW_UP, |email| email.follow_up),
            trouble_mail_every: TROUBLE_MAIL_EVERY,
        }
    }

    fn access_policy(&self) -> AccessPolicy {
        let proxied = self.web.as_ref().is_some_and(|web| web.behind_proxy);
        match &self.access {
            None => AccessPolicy {
                proxied,
                ..AccessPolicy::default()
            },
            Some(access) => AccessPolicy {
                require: access.require.clone(),
                within: access.within,
                grant: access.grant,
                proxied,
            },
        }
    }

    fn phone_policy(&self) -> Option<PhonePolicy> {
        let phone = self.phone.as_ref()?;
        let rungs = |all: bool| -> Vec<Rung> {
            let called = self.contacts.iter().filter(|it| all || it.duress);
            let rung = |contact: &Contact| {
                Some(Rung {
                    contact: contact.name.clone(),
                    number: contact.phone.clone()?,
                })
            };
            called.filter_map(rung).collect()
        };
        (!rungs(true).is_empty()).then(|| PhonePolicy {
            rungs: rungs(true),
            duress: rungs(false),
            rounds: phone.rounds,
            ack_time: phone.ack_time,
            ladder_every: phone.ladder_every,
            gas_again_every: phone.gas_again_every,
        })
    }
}

fn sensor(sensor: &Sensor) -> SensorPolicy {
    SensorPolicy {
        name: sensor.name.clone(),
        kind: sensor.kind,
        modes: sensor.modes.clone(),
        entry: sensor.entry,
        hold: sensor.hold,
        pulses: sensor.pulses,
        within: sensor.within,
        cooldown: sensor.cooldown,
        max_triggers: sensor.max_triggers,
        confirm: sensor.confirm.clone(),
        soak: sensor.soak,
        warm_up: sensor.warm_up,
        power_on: match sensor.source {
            Source::Gpio(_) => PowerOn::Boot,
            Source::NodeMcu { .. } | Source::Mqtt(_) | Source::Simulated => PowerOn::FirstReading,
        },
        silent_after: sensor.silent_after,
        unwatched_call_after: sensor.unwatched_call_after,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Depth, parse};
    use super::*;

    fn policy(text: &str) -> Policy {
        parse(text, "house.toml", Depth::Shape)
            .unwrap_or_else(|why| panic!("{why}"))
            .config
            .policy()
    }

    #[test]
    fn the_ladder_has_those_with_a_telephone_in_their_order() {
        let phone =
            "[phone]\naccount-sid = \"AC1\"\nauth-token-file = \"/x\"\nfrom = \"+15005550006\"\n";
        let contact = |name: &str, rest: &str| format!("[[contact]]\nname = \"{name}\"\n{rest}\n");
        let ben = contact("Ben", "phone = \"+302101234567\"");
        let mia = contact("Mia", "email = \"m@b.c\"");
        let eve = contact("Eve", "phone = \"+302101234568\"\nduress = true");
        let anna = contact("Anna", "phone = \"+302101234569\"");
        let rungs = policy(&format!("{phone}{ben}{mia}{eve}{anna}"))
            .phone
            .unwrap()
            .rungs;
        let names: Vec<_> = rungs.iter().map(|rung| rung.contact.as_str()).collect();
        assert_eq!(names, ["Ben", "Eve", "Anna"]);
        assert_eq!(policy(&format!("{phone}{mia}")).phone, None);
        assert_eq!(policy(&ben).phone, None);
    }

    #[test]
    fn only_a_wire_is_powered_with_the_pi_and_what_is_simulated_never_warms_up() {
        let text = "[mqtt]\n[[sensor]]\nname = \"wire\"\nkind = \"gas\"\ngpio = 5\n\
            [[sensor]]\nname = \"topic\"\nkind = \"gas\"\nmqtt = { topic = \"t\" }\n\
            [[sensor]]\nname = \"none\"\nkind = \"gas\"\nsimulated = true\nwarm-up = \"9m\"\n";
        let seen = |text: &str| -> Vec<(PowerOn, u64)> {
            let sensors = policy(text).sensors;
            sensors
                .iter()
                .map(|sensor| (sensor.power_on, sensor.warm_up.as_secs()))
                .collect()
        };
        use PowerOn::{Boot, FirstReading};
        assert_eq!(
            seen(text),
            [(Boot, 180), (FirstReading, 180), (FirstReading, 0)]
        );
        let simulated = format!("[gpio]\nbackend = \"simulated\"\n{text}");
        assert_eq!(seen(&simulated)[0], (Boot, 0));
    }
}
