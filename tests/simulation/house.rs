//! The house that is watched, a little different in every seed.

use asfaleia::alarm::{Mode, SensorKind};
use asfaleia::config::{self, Config, Depth};
use fastrand::Rng;

/// A sensor of the house.
pub(crate) struct Device {
    pub(crate) name: &'static str,
    pub(crate) kind: SensorKind,
    /// It sends signs of life.
    pub(crate) heartbeat: bool,
}

const fn device(name: &'static str, kind: SensorKind, heartbeat: bool) -> Device {
    Device {
        name,
        kind,
        heartbeat,
    }
}

pub(crate) const DEVICES: [Device; 7] = [
    device("hall", SensorKind::Motion, false),
    device("front door", SensorKind::Contact, false),
    device("garage", SensorKind::Beam, false),
    device("window", SensorKind::Contact, false),
    device("kitchen gas", SensorKind::Gas, true),
    device("cellar gas", SensorKind::Gas, false),
    device("button", SensorKind::Panic, false),
];
pub(crate) const HALL: usize = 0;
pub(crate) const DOOR: usize = 1;
pub(crate) const GARAGE: usize = 2;
pub(crate) const WINDOW: usize = 3;
pub(crate) const KITCHEN: usize = 4;
pub(crate) const CELLAR: usize = 5;
pub(crate) const BUTTON: usize = 6;

/// Counts at once, and stays where it is: what must be detected again at a start.
pub(crate) fn is_instant(device: usize, mode: Mode) -> bool {
    match device {
        GARAGE => true,
        WINDOW => mode != Mode::Home,
        _ => false,
    }
}

pub(crate) fn configuration(rng: &mut Rng) -> Config {
    let give_up = pick(rng, &["24h", "24h", "2h", "20m"]);
    let (exit, entry) = (pick(rng, &["0s", "30s"]), pick(rng, &["20s", "45s", "5s"]));
    let run_on = pick(rng, &["5m", "5m", "1m", "15m"]);
    let warm_up = pick(rng, &["0s", "3m"]);
    let text = format!(
        r#"
[panel]
exit-delay = "{exit}"
entry-delay = "{entry}"
siren-time = "2m"
[gpio]
backend = "simulated"
[mqtt]
host = "localhost"
[[sensor]]
name = "hall"
kind = "motion"
simulated = true
entry = "follower"
max-triggers = 0
[[sensor]]
name = "front door"
kind = "contact"
simulated = true
entry = "delayed"
[[sensor]]
name = "garage"
kind = "beam"
simulated = true
confirm-with = {{ sensors = ["hall"], within = "10m" }}
[[sensor]]
name = "window"
kind = "contact"
simulated = true
modes = ["away", "night"]
[[sensor]]
name = "kitchen gas"
kind = "gas"
mqtt = {{ topic = "kitchen/gas" }}
silent-after = "5m"
warm-up = "{warm_up}"
[[sensor]]
name = "cellar gas"
kind = "gas"
simulated = true
[[sensor]]
name = "button"
kind = "panic"
simulated = true
[buzzer]
simulated = true
[exhaust]
simulated = true
run-on = "{run_on}"
[camera]
device = "simulated"
[email]
host = "mail.example.org"
username = "me"
password-file = "password"
from = "Asfaleia <me@example.org>"
[phone]
account-sid = "ACsimulated"
auth-token-file = "token"
from = "+15005550006"
[[contact]]
name = "Anna"
email = "anna@example.org"
phone = "+302101234567"
[[contact]]
name = "Ben"
email = "ben@example.org"
phone = "+302107654321"
[[webhook]]
name = "ntfy"
url = "https://ntfy.example.org/home"
[messages]
give-up = "{give_up}"
"#
    );
    config::parse(&text, "simulation", Depth::Shape)
        .unwrap_or_else(|rejected| panic!("{rejected}"))
        .config
}

pub(crate) fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}
