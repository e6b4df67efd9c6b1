//! The clock, and the supply: as the service watches them, and what it cannot see.

use std::path::PathBuf;

use super::{Finding, Part, blocking, late, printed};
use crate::clock::{Clock, SystemClock};
use crate::daemon::machine::Machine;

/// Bits of `get_throttled` that tell of the time since the boot: too little voltage, slowed down.
const WAS_TOO_LITTLE: u32 = 1 << 16;
const WAS_SLOWED: u32 = 0b1110 << 16;

fn this() -> Machine {
    Machine {
        root: PathBuf::from("/"),
        store: PathBuf::from("/"),
    }
}

/// Is it set, and does the network keep it right?
pub(super) async fn clock() -> Vec<Finding> {
    let wall = SystemClock::new().wall();
    let Some(found) = blocking(move || this().look(wall.is_set())).await else {
        return vec![late(Part::Clock)];
    };
    let keeps = printed(
        "timedatectl",
        &["show", "--property=NTPSynchronized", "--value"],
    )
    .await;
    vec![set(
        found.clock,
        keeps.as_deref().map(str::trim),
        &wall.rfc3339(),
    )]
}

fn set(trouble: Option<String>, synchronised: Option<&str>, now: &str) -> Finding {
    let subject = "clock";
    match (trouble, synchronised) {
        (Some(why), _) => Finding::told(Part::Clock, subject, &why, "timedatectl"),
        (None, Some("yes")) => Finding::ok(
            Part::Clock,
            subject,
            format!("{now}, kept right by the network"),
        ),
        (None, Some("no")) => Finding::warning(
            Part::Clock,
            subject,
            format!("{now}, and nobody keeps it right"),
            "sudo timedatectl set-ntp true; is there a network?",
        ),
        (None, Some(_) | None) => Finding::ok(Part::Clock, subject, now),
    }
}

/// Voltage and heat, now and since the boot.
pub(super) async fn power() -> Vec<Finding> {
    let look = || {
        let machine = this();
        let tells = machine.hwmon("rpi_volt").is_some();
        (machine.look(true), machine.throttled_flags(), tells)
    };
    let Some((found, flags, has_monitor)) = blocking(look).await else {
        return vec![late(Part::Power)];
    };
    judged(found.voltage, found.throttled, flags, has_monitor)
}

fn judged(
    voltage: Option<String>,
    throttled: Option<String>,
    flags: Option<u32>,
    has_monitor: bool,
) -> Vec<Finding> {
    let part = Part::Power;
    let was = |bits| flags.is_some_and(|flags| flags & bits != 0);
    let supply = match voltage {
        Some(why) => Finding::told(part, "supply", &why, "use a stronger supply"),
        None if was(WAS_TOO_LITTLE) => Finding::warning(
            part,
            "supply",
            "well now; its voltage was too low at times since the boot",
            "a stronger supply (2.5 A for a Pi 3), a short cable, fewer USB devices",
        ),
        None if flags.is_some() || has_monitor => Finding::ok(part, "supply", "well"),
        None => Finding::ok(part, "supply", "this machine does not tell"),
    };
    let heat = match throttled {
        Some(why) => Finding::told(part, "heat", &why, "give it air"),
        None if was(WAS_SLOWED) => Finding::warning(
            part,
            "heat",
            "well now; the processor slowed itself down at times since the boot",
            "give it air; look at the supply",
        ),
        None if flags.is_some() => Finding::ok(part, "heat", "well"),
        None => Finding::ok(part, "heat", "below 80 °C, as far as this machine tells"),
    };
    vec![supply, heat]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_clock_that_nobody_keeps_right_is_a_warning_and_one_that_is_not_set_an_error() {
        let verdict = |trouble, kept| set(trouble, kept, "now").verdict;
        assert_eq!(verdict(None, Some("yes")), Verdict::Ok);
        assert_eq!(verdict(None, Some("no")), Verdict::Warning);
        assert_eq!(verdict(None, None), Verdict::Ok);
        assert_eq!(
            verdict(Some("not set; look".to_owned()), Some("no")),
            Verdict::Error
        );
    }

    #[test]
    fn a_supply_that_was_weak_since_the_boot_is_told_although_it_is_well_now() {
        let verdicts = |flags, monitor| {
            let found = judged(None, None, flags, monitor);
            found.into_iter().map(|it| it.verdict).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(None, false), [Verdict::Ok, Verdict::Ok]);
        assert_eq!(verdicts(Some(0), true), [Verdict::Ok, Verdict::Ok]);
        assert_eq!(
            verdicts(Some(0x50000), true),
            [Verdict::Warning, Verdict::Warning]
        );
        let now = judged(Some("too low: a; b".to_owned()), None, Some(1), true);
        assert_eq!(now[0].verdict, Verdict::Error);
    }
}
