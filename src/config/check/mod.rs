//! The sections as written -> the [`Config`], with everything that is wrong in what they mean.

mod access;
mod house;
mod net;
mod people;
mod sensors;
mod sources;

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use super::choice::GpioLine;
use super::parse::{Finding, Written};
use super::raw::{Maybe, RawActive, RawBackend, RawBias, RawDrill, RawFile, RawOnBoot};
use super::secrets::Secrets;
use super::units::write_duration;
use super::values::{At, Time};
use super::{
    Active, Bias, Config, Drill, Gpio, GpioBackend, InputLine, Line, Messages, OnBoot, Panel, Site,
    Store,
};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const YEARS: Duration = Duration::from_secs(3_650 * 86_400);

/// Collects what is wrong while the sections are read one after another.
///
/// Where a value is wrong a stand-in takes its place, so that the rest is looked at as well; with
/// one error the whole result is thrown away.
pub(super) struct Check<'a> {
    written: &'a Written<'a>,
    secrets: &'a Secrets,
    backend: GpioBackend,
    /// Who has a pin, and where that was said.
    pins: BTreeMap<Line, (String, Range<usize>)>,
    /// What is refused.
    pub(super) errors: Vec<Finding>,
    /// What the owner should know.
    pub(super) warnings: Vec<Finding>,
}

impl<'a> Check<'a> {
    /// Nothing looked at yet.
    pub(super) fn new(written: &'a Written<'a>, secrets: &'a Secrets) -> Self {
        let gpio = written.file.gpio.as_ref();
        Check {
            written,
            secrets,
            backend: match gpio.and_then(|gpio| gpio.backend) {
                None | Some(RawBackend::Auto | RawBackend::GpioChip) => GpioBackend::GpioChip,
                Some(RawBackend::Rppal) => GpioBackend::Rppal,
                Some(RawBackend::Simulated) => GpioBackend::Simulated,
            },
            pins: BTreeMap::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Looks at everything.
    pub(super) fn config(&mut self) -> Config {
        let raw: &'a RawFile = &self.written.file;
        let config = Config {
            site: self.site(),
            panel: self.panel(),
            gpio: Gpio {
                backend: self.backend,
                chip: raw
                    .gpio
                    .as_ref()
                    .and_then(|gpio| gpio.chip.clone())
                    .map(|chip| chip.0),
            },
            sensors: self.sensors(),
            nodemcus: self.nodemcus(),
            buzzer: raw.buzzer.as_ref().map(|buzzer| self.buzzer(buzzer)),
            exhaust: raw.exhaust.as_ref().map(|exhaust| self.exhaust(exhaust)),
            camera: raw.camera.as_ref().map(|camera| self.camera(&camera.value)),
            email: raw.email.as_ref().map(|email| self.email(&email.value)),
            phone: raw.phone.as_ref().map(|phone| self.phone(phone)),
            contacts: self.contacts(),
            access: raw.access.as_ref().map(|access| self.access(access)),
            mqtt: raw.mqtt.as_ref().map(|mqtt| self.mqtt(mqtt)),
            webhooks: self.webhooks(),
            web: raw.web.as_ref().map(|web| self.web(web)),
            store: self.store(),
            messages: self.messages(),
            drill: raw.drill.as_ref().map(|drill| self.drill(drill)),
            watch: raw.watch.unwrap_or(false),
        };
        self.whole(&config);
        config
    }

    fn site(&mut self) -> Site {
        let site = self.written.file.site.as_ref();
        let name = site
            .and_then(|site| site.name.clone())
            .map_or_else(|| "Home".to_owned(), |name| name.0);
        let id = site.and_then(|site| site.id.clone()).map(|id| id.0);
        let node = site.and_then(|site| site.node.clone()).map(|node| node.0);
        Site {
            id: id.unwrap_or_else(|| identifier(&name, "home")),
            node: node.unwrap_or_else(|| {
                let host = rustix::system::uname();
                identifier(&host.nodename().to_string_lossy(), "pi")
            }),
            name,
        }
    }

    fn panel(&mut self) -> Panel {
        let none = Default::default();
        let panel = self.written.file.panel.as_ref().unwrap_or(&none);
        Panel {
            on_boot: match panel.on_boot {
                None | Some(RawOnBoot::Restore) => OnBoot::Restore,
                Some(RawOnBoot::Away) => OnBoot::Away,
            },
            exit_delay: self.time(&panel.exit_delay, 30 * SECOND, Duration::ZERO..=10 * MINUTE),
            // EN 50131-1: an entry delay is 45 s at most.
            entry_delay: self.time(
                &panel.entry_delay,
                20 * SECOND,
                Duration::ZERO..=45 * SECOND,
            ),
            siren_time: self.time(&panel.siren_time, 3 * MINUTE, SECOND..=15 * MINUTE),
            clear_after: self.time(&panel.clear_after, MINUTE, Duration::ZERO..=HOUR),
        }
    }

    fn store(&mut self) -> Store {
        let none = Default::default();
        let store = self.written.file.store.as_ref().unwrap_or(&none);
        let max_size = store.max_size.as_ref().map_or(2 << 30, |size| size.value.0);
        if let Some(size) = &store.max_size
            && size.value.0 < 1_000_000
        {
            self.error(
                &size.span,
                "this is too little for a single incident",
                "allowed: 1MB and more",
            );
        }
        let path = store.path.as_ref();
        if let Some(path) = path.filter(|path| path.value.is_empty()) {
            self.error(
                &path.span,
                "the path is empty",
                "allowed: a directory, such as \"/var/lib/asfaleia\"",
            );
        }
        Store {
            path: path.map_or_else(
                || "/var/lib/asfaleia".into(),
                |path| path.value.clone().into(),
            ),
            keep: self.time(&store.keep, 30 * DAY, SECOND..=YEARS),
            max_size,
        }
    }

    fn messages(&mut self) -> Messages {
        let none = Default::default();
        let messages = self.written.file.messages.as_ref().unwrap_or(&none);
        if let Some(url) = &messages.heartbeat {
            self.https_or_near(url);
        }
        Messages {
            give_up: self.time(&messages.give_up, DAY, SECOND..=30 * DAY),
            heartbeat: messages
                .heartbeat
                .as_ref()
                .map(|url| url.value.0.to_string()),
        }
    }

    fn drill(&mut self, raw: &RawDrill) -> Drill {
        let every = self.time(&Some(raw.every.clone()), DAY, DAY..=366 * DAY);
        if every > DAY && !every.as_secs().is_multiple_of(DAY.as_secs()) {
            self.error(
                &raw.every.span,
                "drills are so many days apart, at one time of day",
                "allowed: whole days, such as \"30d\"",
            );
        }
        Drill {
            every,
            at: raw.at.map_or(jiff::civil::time(11, 0, 0, 0), |at| at.0),
        }
    }

    /// What only the whole shows.
    fn whole(&mut self, config: &Config) {
        if !self.written.has("sensor") {
            self.warning(
                &(0..0),
                "there is no sensor: nothing is watched",
                "add a [[sensor]]",
            );
        }
        if config.contacts.is_empty() && config.webhooks.is_empty() && config.mqtt.is_none() {
            self.warning(
                &(0..0),
                "nobody is told of an alarm",
                "add a [[contact]], a [[webhook]] or [mqtt]",
            );
        }
    }

    // What the sections share.

    fn error(&mut self, span: &Range<usize>, message: &str, help: &str) {
        self.errors
            .push((span.clone(), message.to_owned(), Some(help.to_owned())));
    }

    fn warning(&mut self, span: &Range<usize>, message: &str, help: &str) {
        self.warnings
            .push((span.clone(), message.to_owned(), Some(help.to_owned())));
    }

    /// A duration within bounds.
    fn time(
        &mut self,
        written: &Maybe<Time>,
        default: Duration,
        allowed: RangeInclusive<Duration>,
    ) -> Duration {
        let Some(At {
            value: Time(time),
            span,
        }) = written
        else {
            return default;
        };
        if !allowed.contains(time) {
            let (low, high) = (
                write_duration(*allowed.start()),
                write_duration(*allowed.end()),
            );
            let (message, help) = if time > allowed.end() {
                (
                    format!("{} is too long here", write_duration(*time)),
                    format!("allowed: {high} at most"),
                )
            } else {
                (
                    format!("{} is too short here", write_duration(*time)),
                    format!("allowed: {low} to {high}"),
                )
            };
            self.error(span, &message, &help);
        }
        *time
    }

    /// A number within bounds.
    fn number(&mut self, written: &Maybe<u32>, default: u32, allowed: RangeInclusive<u32>) -> u32 {
        let Some(At { value, span }) = written else {
            return default;
        };
        if !allowed.contains(value) {
            let help = format!("allowed: {} to {}", allowed.start(), allowed.end());
            self.error(span, &format!("{value} is out of range"), &help);
        }
        *value
    }

    /// Takes a pin for `user`, who must be the only one.
    fn pin(&mut self, line: &At<GpioLine>, user: String) -> Line {
        let At {
            value: GpioLine(line),
            span,
        } = line;
        if let (Line::Name(_), GpioBackend::Rppal) = (line, self.backend) {
            self.error(
                span,
                "backend = \"rppal\" knows no names of lines",
                "allowed with it: a BCM number such as 18; or backend = \"gpiochip\"",
            );
        }
        if let Some((first, place)) = self.pins.get(line) {
            let said = self.written_line(place);
            let message = format!(
                "{} is used twice: by {user}, and by {first} in line {said}",
                line_name(line)
            );
            self.error(
                span,
                &message,
                "allowed: every pin once; 18 and \"GPIO18\" are the same pin",
            );
        } else {
            self.pins.insert(line.clone(), (user, span.clone()));
        }
        line.clone()
    }

    fn input(
        &mut self,
        line: Line,
        active: Option<RawActive>,
        bias: &Maybe<RawBias>,
        debounce: &Maybe<Time>,
    ) -> InputLine {
        let active = level(active);
        if let Some(bias) = bias
            && let (RawBias::AsIs, GpioBackend::Rppal) = (bias.value, self.backend)
        {
            self.error(
                &bias.span,
                "backend = \"rppal\" cannot leave a bias as it is",
                "allowed with it: \"pull-up\", \"pull-down\", \"none\"; or backend = \"gpiochip\"",
            );
        }
        let bias = bias.as_ref().map(|bias| bias.value);
        InputLine {
            line,
            active,
            bias: match (bias, active) {
                (Some(RawBias::PullUp), Active::High | Active::Low) | (None, Active::Low) => {
                    Bias::PullUp
                }
                (Some(RawBias::PullDown), Active::High | Active::Low) | (None, Active::High) => {
                    Bias::PullDown
                }
                (Some(RawBias::None), Active::High | Active::Low) => Bias::None,
                (Some(RawBias::AsIs), Active::High | Active::Low) => Bias::AsIs,
            },
            // The kernel counts it in 32 bits of microseconds; what takes longer is a `hold`.
            debounce: self.time(
                debounce,
                Duration::from_millis(20),
                Duration::ZERO..=10 * SECOND,
            ),
        }
    }

    fn written_line(&self, span: &Range<usize>) -> usize {
        self.written.text[..span.start].matches('\n').count() + 1
    }

    /// A file that must be there, unless only the shape is looked at.
    fn file(&mut self, path: &At<String>) -> PathBuf {
        if let Err(refusal) = self.secrets.readable(&path.value) {
            self.error(&path.span, &refusal.message, &refusal.help);
        }
        PathBuf::from(&path.value)
    }
}

fn level(active: Option<RawActive>) -> Active {
    match active {
        None | Some(RawActive::High) => Active::High,
        Some(RawActive::Low) => Active::Low,
    }
}

fn line_name(line: &Line) -> String {
    match line {
        Line::Number(number) => format!("GPIO {number}"),
        Line::Name(name) => format!("the line \"{name}\""),
    }
}

/// Any name as a word of `[a-z0-9_-]+`.
fn identifier(name: &str, otherwise: &str) -> String {
    let words: Vec<String> = name
        .to_lowercase()
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    if words.is_empty() {
        otherwise.to_owned()
    } else {
        words.join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::identifier;

    #[test]
    fn any_name_becomes_a_word_for_topics() {
        assert_eq!(identifier("Anna's Home  (2nd)", "home"), "anna-s-home-2nd");
        assert_eq!(identifier("hall_pi.local", "pi"), "hall_pi-local");
        assert_eq!(identifier("Σπίτι", "home"), "home");
    }
}
