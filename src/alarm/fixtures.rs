//! A small house for tests.

use std::time::Duration;

use super::policy::{
    AccessPolicy, Entry, ExhaustPolicy, Mode, PanelPolicy, PhonePolicy, Policy, PowerOn, Rung,
    SensorKind, SensorPolicy,
};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A sensor with the shipped defaults and no warm-up.
pub(crate) fn sensor(name: &str, kind: SensorKind) -> SensorPolicy {
    SensorPolicy {
        name: name.into(),
        kind,
        modes: Mode::ALL.to_vec(),
        entry: Entry::Instant,
        hold: Duration::ZERO,
        pulses: 1,
        within: secs(10),
        cooldown: Duration::ZERO,
        max_triggers: 5,
        confirm: None,
        soak: false,
        warm_up: Duration::ZERO,
        power_on: PowerOn::FirstReading,
        silent_after: None,
        unwatched_call_after: secs(120),
    }
}

/// `hall` (motion), `front door` (a delayed contact), `garage` (a beam), `kitchen gas`, `panic`;
/// fan, camera, two people on the phone.
pub(crate) fn house() -> Policy {
    let mut door = sensor("front door", SensorKind::Contact);
    door.entry = Entry::Delayed;
    let mut gas = sensor("kitchen gas", SensorKind::Gas);
    gas.silent_after = Some(secs(10));
    Policy {
        panel: PanelPolicy {
            exit_delay: secs(30),
            entry_delay: secs(20),
            siren_time: secs(180),
            clear_after: secs(60),
            pause_for: secs(30),
        },
        sensors: vec![
            sensor("hall", SensorKind::Motion),
            door,
            sensor("garage", SensorKind::Beam),
            gas,
            sensor("panic", SensorKind::Panic),
        ],
        exhaust: Some(ExhaustPolicy {
            run_on: secs(300),
            max_run: secs(7200),
        }),
        phone: Some(PhonePolicy {
            rungs: ["Anna", "Ben"]
                .map(|contact| Rung {
                    contact: contact.into(),
                    number: "+302101234567".into(),
                })
                .into(),
            duress: Vec::new(),
            rounds: 2,
            ack_time: secs(120),
            ladder_every: secs(300),
            gas_again_every: secs(600),
        }),
        access: AccessPolicy::default(),
        burst: 3,
        photo_wait: secs(5),
        follow_up: secs(60),
        trouble_mail_every: secs(3600),
    }
}
