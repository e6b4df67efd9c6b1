//! What the machine itself lacks: a clock that is set, power, cooling, room on the card.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::standing::Standing;
use crate::alarm::TroubleCode;
use crate::config::Config;
use crate::inbox::Inbox;
use crate::store::StoreHandle;

/// How often it is looked at: some small files of the kernel's.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// A network gives the time within a minute or two of the boot.
const CLOCK_AFTER: Duration = Duration::from_secs(300);
/// A supply that is too weak is so at times. It is well when it has been for so long.
const CALM_AFTER: Duration = Duration::from_secs(300);
/// Room is made for history so often at most, while there is too little.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// Too hot without the firmware's word for it: a Pi slows down at 80 °C. In thousandths.
const HOT: i64 = 80_000;
/// `get_throttled` of the Pi's firmware, in hexadecimal: bit 0 too little voltage, bit 1 frequency
/// capped, bit 2 throttled, bit 3 soft limit of temperature reached. (The bits from 16 on tell of
/// the past.)
const TOO_LITTLE_VOLTAGE: u32 = 1;
const SLOWED: u32 = 0b1110;

/// Watches the machine.
#[derive(Clone)]
pub(super) struct Watchman {
    pub(super) machine: Machine,
    pub(super) store: StoreHandle,
    pub(super) config: watch::Receiver<Arc<Config>>,
    pub(super) inbox: Inbox,
}

/// The machine that we run on, as its files show it.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// Above `sys` and `run`.
    pub(crate) root: PathBuf,
    /// The store's directory.
    pub(crate) store: PathBuf,
}

/// Why each trouble stands; `None`: it does not, or nothing tells.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) clock: Option<String>,
    pub(crate) voltage: Option<String>,
    pub(crate) throttled: Option<String>,
    pub(crate) space: Option<Space>,
}

/// Of the store's file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) free: u64,
    pub(crate) total: u64,
}

impl Watchman {
    /// Looks now and then, for ever.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let mut clock = Standing::new(TroubleCode::Clock, "", CLOCK_AFTER, Duration::ZERO);
        let mut voltage = Standing::new(TroubleCode::UnderVoltage, "", Duration::ZERO, CALM_AFTER);
        let mut throttled = Standing::new(TroubleCode::Throttled, "", Duration::ZERO, CALM_AFTER);
        let mut space = Standing::new(TroubleCode::Disk, "free", Duration::ZERO, Duration::ZERO);
        let mut pruned: Option<Instant> = None;
        loop {
            let (machine, wall_set) = (self.machine.clone(), self.inbox.clock().wall().is_set());
            // A disk that hangs, or a firmware that is slow, holds a thread that nobody else needs.
            let found = tokio::task::spawn_blocking(move || machine.look(wall_set)).await?;
            let low = found.space.filter(|it| it.is_low(space.is_raised()));
            let now = Instant::now();
            let news = [
                clock.feel(found.clock, now),
                voltage.feel(found.voltage, now),
                throttled.feel(found.throttled, now),
                space.feel(low.map(Space::text), now),
            ];
            for event in news.into_iter().flatten() {
                self.inbox.send(event);
            }
            if let Some(missing) = low.map(Space::missing)
                && missing > 0
                && pruned.is_none_or(|at| now - at >= PRUNE_EVERY)
            {
                pruned = Some(now);
                self.make_room(missing).await;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// As much of our own as is missing goes, the acknowledged first.
    async fn make_room(&self, missing: u64) {
        let crate::config::Store { keep, max_size, .. } = self.config.borrow().store.clone();
        let store = self.machine.store.clone();
        let Ok(used) = tokio::task::spawn_blocking(move || used(&store)).await else {
            return;
        };
        let most = max_size.min(used.saturating_sub(missing));
        if let Err(error) = self.store.retain(keep, most).await {
            warn!(%error, "making room on the disk");
        }
    }
}

impl Machine {
    /// What there is now.
    pub(crate) fn look(&self, wall_set: bool) -> Found {
        let flags = self.throttled_flags();
        let too_little = match self.hwmon("rpi_volt") {
            Some(hwmon) => number(&hwmon.join("in0_lcrit_alarm")) == Some(1),
            None => flags.is_some_and(|flags| flags & TOO_LITTLE_VOLTAGE != 0),
        };
        let slowed = match flags {
            Some(flags) => flags & SLOWED != 0,
            None => {
                let zone = self.root.join("sys/class/thermal/thermal_zone0/temp");
                number(&zone).is_some_and(|temperature| temperature >= HOT)
            }
        };
        Found {
            clock: self.clock_trouble(wall_set),
            voltage: too_little.then(|| {
                "the supply's voltage is too low: the Pi may fail or damage its card; use a \
                 stronger supply and a short cable"
                    .to_owned()
            }),
            throttled: slowed.then(|| {
                "the processor slows itself down, for heat or a weak supply: give it air, and look \
                 at the supply"
                    .to_owned()
            }),
            space: rustix::fs::statvfs(&self.store).ok().map(|disk| Space {
                free: disk.f_bavail * disk.f_frsize,
                total: disk.f_blocks * disk.f_frsize,
            }),
        }
    }

    /// A Pi has no clock battery. systemd-timesyncd sets its clock at the boot to what it was when
    /// it last knew, which looks right and is not: it says by a file when it knows.
    fn clock_trouble(&self, wall_set: bool) -> Option<String> {
        let timesyncd = self.root.join("run/systemd/timesync");
        let guessed = timesyncd.is_dir()
            && !timesyncd.join("synchronized").exists()
            && !self.root.join("sys/class/rtc/rtc0").exists();
        (!wall_set || guessed).then(|| {
            "the clock was not set since the boot: times in messages may be wrong; look at the \
             network and at timedatectl"
                .to_owned()
        })
    }

    /// The firmware's `get_throttled`; `None`: nothing tells.
    pub(crate) fn throttled_flags(&self) -> Option<u32> {
        let file = "sys/devices/platform/soc/soc:firmware/get_throttled";
        let text = fs::read_to_string(self.root.join(file)).ok()?;
        u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
    }

    /// The hardware monitor of this name; its number is another on each machine.
    pub(crate) fn hwmon(&self, name: &str) -> Option<PathBuf> {
        let monitors = fs::read_dir(self.root.join("sys/class/hwmon")).ok()?;
        (monitors.filter_map(Result::ok).map(|entry| entry.path())).find(|monitor| {
            fs::read_to_string(monitor.join("name")).is_ok_and(|is| is.trim() == name)
        })
    }
}

impl Space {
    pub(crate) const MB: u64 = 1_000_000;

    /// Below 100 MB, or a twentieth of a small disk. Until there is twice as much.
    pub(crate) fn is_low(self, was: bool) -> bool {
        self.free < self.least() * if was { 2 } else { 1 }
    }

    fn least(self) -> u64 {
        (100 * Self::MB).min(self.total / 20)
    }

    /// So much of our own has to go, and no more: it may be somebody else who fills the disk.
    fn missing(self) -> u64 {
        self.least().saturating_sub(self.free)
    }

    fn text(self) -> String {
        format!(
            "only {} of {} MB are free on the store's disk: what was acknowledged, then the oldest \
             photos go; look what fills it",
            self.free / Self::MB,
            self.total / Self::MB
        )
    }
}

fn number(file: &Path) -> Option<i64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Bytes of the files in the store's directory and its photos.
fn used(store: &Path) -> u64 {
    let bytes = |directory: &Path| -> u64 {
        let files = fs::read_dir(directory).into_iter().flatten();
        (files.filter_map(|file| file.ok()?.metadata().ok()))
            .filter(fs::Metadata::is_file)
            .map(|file| file.len())
            .sum()
    };
    bytes(store) + bytes(&store.join("photos"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::Event;
    use crate::clock::SystemClock;
    use crate::config::{self, Depth};
    use crate::store::{Store, StoreActor, StoreOptions};

    /// A made-up tree of the kernel's files.
    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Tree {
            Tree(tempfile::tempdir().unwrap())
        }

        fn put(&self, file: &str, text: &str) {
            let path = self.0.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn look(&self) -> Found {
            let root = self.0.path().to_owned();
            let store = root.clone();
            Machine { root, store }.look(true)
        }
    }

    #[test]
    fn a_machine_that_tells_nothing_has_no_trouble_but_its_disk_is_known() {
        let found = Tree::new().look();
        assert!(found.space.is_some_and(|space| space.total > 0));
        assert_eq!(
            Found {
                space: None,
                ..found
            },
            Found::default()
        );
    }

    #[test]
    fn under_voltage_is_read_from_the_monitor_of_that_name_and_no_other() {
        let tree = Tree::new();
        tree.put("sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
        tree.put("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "1\n");
        tree.put("sys/class/hwmon/hwmon1/name", "rpi_volt\n");
        tree.put("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
        assert_eq!(tree.look().voltage, None);
        tree.put("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
        assert!(tree.look().voltage.is_some());
    }

    #[test]
    fn the_firmwares_flags_of_now_count_and_those_of_the_past_do_not() {
        let tree = Tree::new();
        let flags = "sys/devices/platform/soc/soc:firmware/get_throttled";
        for (text, voltage, throttled) in [
            ("0\n", false, false),
            ("f0000\n", false, false),
            ("50005\n", true, true),
            ("1\n", true, false),
            ("0x80008\n", false, true),
            ("not a number\n", false, false),
        ] {
            tree.put(flags, text);
            let found = tree.look();
            assert_eq!(found.voltage.is_some(), voltage, "{text}");
            assert_eq!(found.throttled.is_some(), throttled, "{text}");
        }
    }

    #[test]
    fn without_the_firmwares_word_heat_counts() {
        let tree = Tree::new();
        tree.put("sys/class/thermal/thermal_zone0/temp", "79999\n");
        assert_eq!(tree.look().throttled, None);
        tree.put("sys/class/thermal/thermal_zone0/temp", "80000\n");
        assert!(tree.look().throttled.is_some());
    }

    #[test]
    fn a_clock_that_was_only_guessed_is_not_set_until_the_network_gave_the_time() {
        let tree = Tree::new();
        let machine = |set| {
            let root = tree.0.path().to_owned();
            let store = root.clone();
            Machine { root, store }.look(set).clock
        };
        assert_eq!(machine(true), None, "nobody guesses");
        assert!(machine(false).is_some(), "1970");
        tree.put("run/systemd/timesync/x", "");
        assert!(machine(true).is_some(), "guessed");
        tree.put("run/systemd/timesync/synchronized", "");
        assert_eq!(machine(true), None);
        fs::remove_file(tree.0.path().join("run/systemd/timesync/synchronized")).unwrap();
        tree.put("sys/class/rtc/rtc0/name", "ds1307");
        assert_eq!(machine(true), None, "it has a battery");
    }

    #[test]
    fn a_disk_that_is_low_stays_low_until_twice_as_much_is_free() {
        let space = |free| Space {
            free: free * Space::MB,
            total: 32_000 * Space::MB,
        };
        assert!(!space(100).is_low(false));
        assert!(space(99).is_low(false));
        assert!(space(199).is_low(true));
        assert!(!space(200).is_low(true));
        assert_eq!(space(60).missing(), 40 * Space::MB);
        assert_eq!(space(150).missing(), 0);
        let small = Space {
            free: Space::MB,
            total: 10 * Space::MB,
        };
        assert!(!small.is_low(false), "a twentieth of a small one is enough");
    }

    #[tokio::test(start_paused = true)]
    async fn a_weak_supply_is_a_trouble_at_once_and_until_it_has_been_well_for_minutes() {
        let tree = Tree::new();
        let alarm = "sys/class/hwmon/hwmon0/in0_lcrit_alarm";
        tree.put("sys/class/hwmon/hwmon0/name", "rpi_volt\n");
        tree.put(alarm, "1\n");
        let (inbox, letters) = Inbox::new(SystemClock::shared());
        let store = tree.0.path().join("store");
        let opened = Store::open(&store, SystemClock::shared());
        let on_health = Box::new(|_| {});
        let actor = StoreActor::start(opened.store, StoreOptions::default(), on_health).unwrap();
        let text = "[gpio]\nbackend = \"simulated\"\n";
        let config = config::parse(text, "test", Depth::Shape).unwrap().config;
        let (_config, config) = watch::channel(Arc::new(config));
        let watchman = Watchman {
            machine: Machine {
                root: tree.0.path().to_owned(),
                store,
            },
            store: actor.handle(),
            config,
            inbox,
        };
        let watching = tokio::spawn(watchman.run());
        let said = |code| {
            let events = letters.try_iter().map(|letter| letter.event);
            let said = events.filter_map(|event| match event {
                Event::TroubleRaised(trouble) => (trouble.code == code).then_some(true),
                Event::TroubleCleared { code: of, .. } => (of == code).then_some(false),
                _other => None,
            });
            said.collect::<Vec<bool>>()
        };
        sleep(LOOK_EVERY / 2).await;
        assert_eq!(said(TroubleCode::UnderVoltage), [true]);
        tree.put(alarm, "0\n");
        sleep(CALM_AFTER).await;
        assert!(said(TroubleCode::UnderVoltage).is_empty());
        sleep(2 * LOOK_EVERY).await;
        assert_eq!(said(TroubleCode::UnderVoltage), [false]);
        watching.abort();
    }
}
