//! GPIO: is the chip there, are the lines free, and what do the pins do before the service runs?

use std::path::Path;

use super::user::User;
use super::{Finding, Part, Service};
use crate::alarm::SensorKind;
use crate::config::{
    Active, Bias, Config, FaceInput, FingerInput, GpioBackend, InputLine, Line, OutputLine, Source,
};
use crate::gpio::GpioError;
use crate::gpio::chip::{self, Seen};

const PART: Part = Part::Gpio;
/// Consumers of lines that are ours begin so.
const OURS: &str = "asfaleia";

/// A wire of the configuration.
#[derive(Debug)]
struct Wire {
    /// The sensor's name, or what the output is.
    what: String,
    line: Line,
    usage: Usage,
}

#[derive(Debug, Clone, Copy)]
enum Usage {
    /// What is connected closes a contact or pulls the line one way: it needs a resistor the other.
    Switch(Bias),
    /// What is connected drives the line both ways.
    Driven,
    /// The level at which it is on.
    Output(Active),
}

/// Looks at chip and lines; claims nothing.
pub(super) fn look(config: &Config, service: &Service, user: &User) -> Vec<Finding> {
    let wires = wires(config);
    if wires.is_empty() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    match config.gpio.backend {
        GpioBackend::Simulated => {
            let found = "simulated: no wire is watched, and none is switched";
            let mend = "[gpio] backend = \"auto\", when you mean to guard a house";
            return vec![Finding::warning(PART, "backend", found, mend)];
        }
        GpioBackend::GpioChip => {}
        GpioBackend::Rppal => findings.extend(registers(user)),
    }
    match chip::chips_there() {
        Ok(chips) => findings.push(Finding::ok(PART, "chips", chips.join(", "))),
        Err(error) => {
            let names: Vec<&str> = wires.iter().map(|wire| wire.what.as_str()).collect();
            findings.push(broken(&names.join(", "), &error));
            return findings;
        }
    }
    for wire in &wires {
        match chip::look(&wire.line, config.gpio.chip.as_deref()) {
            Ok(seen) => {
                findings.extend(shut_out(wire, &seen, user));
                findings.extend(judged(wire, &seen, service.may_hold_devices()));
            }
            Err(error) => findings.push(broken(&wire.what, &error)),
        }
    }
    findings
}

fn wires(config: &Config) -> Vec<Wire> {
    let mut wires = Vec::new();
    let mut input = |what: &str, wire: &InputLine, driven: bool| {
        wires.push(Wire {
            what: what.to_owned(),
            line: wire.line.clone(),
            usage: match driven {
                true => Usage::Driven,
                false => Usage::Switch(wire.bias),
            },
        });
    };
    for sensor in &config.sensors {
        match &sensor.source {
            Source::Gpio(wire) => input(sensor.name.as_str(), wire, drives(sensor.kind)),
            Source::NodeMcu { .. } | Source::Mqtt(_) | Source::Simulated => {}
        }
    }
    let access = config.access.as_ref();
    if let Some(FaceInput::Gpio(wire)) = access.and_then(|access| access.face.as_ref()) {
        input("face", wire, true);
    }
    if let Some(FingerInput::Gpio(wire)) = access.and_then(|access| access.finger.as_ref()) {
        input("finger", wire, true);
    }
    let mut output = |what: &str, output: &OutputLine| {
        if let Some(line) = &output.line {
            wires.push(Wire {
                what: what.to_owned(),
                line: line.clone(),
                usage: Usage::Output(output.active),
            });
        }
    };
    if let Some(buzzer) = &config.buzzer {
        output("buzzer", buzzer);
    }
    if let Some(exhaust) = &config.exhaust {
        output("exhaust", &exhaust.output);
    }
    wires
}

/// A PIR and a gas sensor's comparator do; a contact, a button and an open collector do not.
fn drives(kind: SensorKind) -> bool {
    match kind {
        SensorKind::Motion | SensorKind::Gas => true,
        SensorKind::Beam | SensorKind::Contact | SensorKind::Tamper | SensorKind::Panic => false,
    }
}

fn registers(user: &User) -> Option<Finding> {
    let registers = ["/dev/gpiomem", "/dev/gpiomem0"].map(Path::new);
    let Some(there) = registers.into_iter().find(|path| path.exists()) else {
        let found = "backend = \"rppal\", and this machine shows no Pi's registers (/dev/gpiomem)";
        return Some(Finding::error(
            PART,
            "backend",
            found,
            "[gpio] backend = \"auto\"",
        ));
    };
    let (found, mend) = user.shut_out(there)?;
    Some(Finding::error(PART, "backend", found, mend))
}

fn broken(what: &str, error: &GpioError) -> Finding {
    Finding::told(
        PART,
        what,
        &error.to_string(),
        "see [gpio] chip, and gpioinfo",
    )
}

fn shut_out(wire: &Wire, seen: &Seen, user: &User) -> Option<Finding> {
    let (found, mend) = user.shut_out(&seen.chip)?;
    Some(Finding::error(PART, wire.what.as_str(), found, mend))
}

/// What the line is now, and what it does before somebody takes it. Pure.
fn judged(wire: &Wire, seen: &Seen, service_runs: bool) -> Vec<Finding> {
    let what = wire.what.as_str();
    let at = format!("{} offset {}", seen.chip.display(), seen.offset);
    let line = match &seen.holder {
        None if service_runs => {
            let found = format!("{at}: the service runs and does not hold it");
            let mend = "asfaleia reload; `asfaleia status` shows the trouble";
            Finding::warning(PART, what, found, mend)
        }
        None => Finding::ok(PART, what, format!("{at}: free")),
        Some(holder) if holder.starts_with(OURS) => {
            Finding::ok(PART, what, format!("{at}: held by {holder}"))
        }
        Some(holder) => {
            let found = format!("{at}: \"{holder}\" holds it");
            Finding::error(
                PART,
                what,
                found,
                "end that program or overlay, or use another line",
            )
        }
    };
    let before = before_the_service(wire, seen)
        .map(|(found, mend)| Finding::warning(PART, what, found, mend));
    std::iter::once(line).chain(before).collect()
}

/// At the boot a Pi pulls GPIO 0 to 8 up and 9 to 27 down (BCM2835 ARM Peripherals, table 6-31; the
/// same on all later ones), until somebody takes the line.
fn before_the_service(wire: &Wire, seen: &Seen) -> Option<(String, String)> {
    let offset = seen.offset;
    match wire.usage {
        Usage::Driven => None,
        Usage::Switch(Bias::None) => Some((
            "floats while its contact is open: bias = \"none\"".to_owned(),
            "bias = \"pull-up\" (or \"pull-down\"), or a resistor of 10 kΩ".to_owned(),
        )),
        Usage::Switch(Bias::PullUp | Bias::PullDown | Bias::AsIs) => None,
        Usage::Output(_) if !seen.on_a_pi => None,
        Usage::Output(_) if offset == 14 => Some((
            "GPIO 14 is the serial console at boot, and toggles".to_owned(),
            "use another line: docs/wiring.md".to_owned(),
        )),
        Usage::Output(Active::High) if offset <= 8 => Some((
            format!(
                "GPIO {offset} is pulled up from power-on until the service runs: it is on so long"
            ),
            format!(
                "4.7 kΩ from its input to GND, and gpio={offset}=op,dl in /boot/firmware/config.txt; \
                 docs/wiring.md"
            ),
        )),
        Usage::Output(Active::Low) if (9..=27).contains(&offset) => Some((
            format!(
                "GPIO {offset} is pulled down from power-on until the service runs: it is on so long"
            ),
            format!(
                "4.7 kΩ from its input to 3.3 V, and gpio={offset}=op,dh in \
                 /boot/firmware/config.txt; docs/wiring.md"
            ),
        )),
        Usage::Output(Active::High | Active::Low) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn seen(offset: u32, holder: Option<&str>) -> Seen {
        Seen {
            chip: "/dev/gpiochip0".into(),
            offset,
            on_a_pi: true,
            holder: holder.map(str::to_owned),
        }
    }

    fn wire(usage: Usage) -> Wire {
        Wire {
            what: "exhaust".to_owned(),
            line: Line::Number(4),
            usage,
        }
    }

    fn verdicts(usage: Usage, seen: &Seen, runs: bool) -> Vec<Verdict> {
        let findings = judged(&wire(usage), seen, runs);
        findings.into_iter().map(|it| it.verdict).collect()
    }

    #[test]
    fn the_originals_relay_on_gpio_4_clicks_and_one_on_a_better_line_does_not() {
        let on = |active, offset| verdicts(Usage::Output(active), &seen(offset, None), false);
        let (fine, clicks) = (vec![Verdict::Ok], vec![Verdict::Ok, Verdict::Warning]);
        assert_eq!(on(Active::High, 4), clicks);
        assert_eq!(on(Active::High, 17), fine);
        assert_eq!(on(Active::Low, 4), fine);
        assert_eq!(on(Active::Low, 17), clicks);
        assert_eq!(on(Active::High, 14), clicks, "the serial console");
        let elsewhere = Seen {
            on_a_pi: false,
            ..seen(4, None)
        };
        let usage = Usage::Output(Active::High);
        assert_eq!(verdicts(usage, &elsewhere, false), fine, "nobody knows");
        let said = judged(&wire(usage), &seen(4, None), false);
        assert!(
            said[1].mend.as_ref().unwrap().contains("gpio=4=op,dl"),
            "{said:?}"
        );
    }

    #[test]
    fn who_holds_a_line_is_named_unless_it_is_us() {
        let verdict = |holder, runs| verdicts(Usage::Driven, &seen(18, holder), runs)[0];
        assert_eq!(verdict(None, false), Verdict::Ok);
        assert_eq!(verdict(None, true), Verdict::Warning, "it should hold it");
        assert_eq!(verdict(Some("asfaleia exhaust"), true), Verdict::Ok);
        assert_eq!(
            verdict(Some("asfaleia exhaust"), false),
            Verdict::Ok,
            "systemd keeps it"
        );
        let said = judged(&wire(Usage::Driven), &seen(18, Some("gpio-fan")), true);
        assert_eq!(said[0].verdict, Verdict::Error);
        assert!(said[0].found.contains("gpio-fan"), "{said:?}");
    }

    #[test]
    fn a_contact_without_a_resistor_floats() {
        let pulled = |bias| verdicts(Usage::Switch(bias), &seen(22, None), false).len();
        assert_eq!(pulled(Bias::None), 2);
        assert_eq!(pulled(Bias::PullUp), 1);
        assert!(!drives(SensorKind::Contact) && drives(SensorKind::Motion));
    }
}
