//! The world in which one process after the other lives: the plan, the card, the devices.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use asfaleia::clock::SystemClock;
use asfaleia::config::Config;
use asfaleia::store::Store;
use fastrand::Rng;

use crate::clock::without_battery;
use crate::disk::{Files, Image};
use crate::gas::GasWatch;
use crate::house::{DEVICES, configuration};
use crate::life;
use crate::log::Log;
use crate::outside::Outside;
use crate::plan::Plan;
use crate::summary::Summary;

/// When the first process starts.
const FIRST_START: Duration = Duration::from_secs(15);

/// What was played.
pub(crate) struct Played {
    pub(crate) summary: Summary,
    pub(crate) hash: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) last_lines: String,
}

pub(crate) struct World {
    pub(crate) config: Arc<Config>,
    pub(crate) rng: Rng,
    pub(crate) outside: Outside,
    pub(crate) plan: Plan,
    pub(crate) heartbeat: Duration,
    pub(crate) sensors: Vec<Sensor>,
    pub(crate) gas: GasWatch,
    /// True time.
    pub(crate) now: Duration,
    /// When the last process died.
    pub(crate) died: Duration,
    pub(crate) switched_on: Duration,
    pub(crate) boot: u32,
    /// How wrong the wall clock is, in milliseconds.
    pub(crate) clock_wrong: i64,
    pub(crate) clock_was_right: bool,
    pub(crate) next_photo: u64,
    pub(crate) life: u32,
    pub(crate) calm: bool,
    pub(crate) reboots: bool,
    /// It was killed while a commit was being written.
    pub(crate) torn: bool,
    /// The days are watched for what grows.
    pub(crate) growth: Option<life::Growth>,
    room: tempfile::TempDir,
}

/// A sensor as it truly is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sensor {
    pub(crate) active: bool,
    pub(crate) dead: bool,
}

impl World {
    pub(crate) fn new(
        seed: u64,
        aloud: bool,
        heartbeat: Duration,
        plan: impl FnOnce(&mut Rng) -> Plan,
    ) -> World {
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let room = a_room();
        let config = Arc::new(configuration(&mut rng, heartbeat));
        let run_on = (config.exhaust.as_ref()).map_or(Duration::ZERO, |exhaust| exhaust.run_on);
        let plan = plan(&mut rng);
        World {
            config,
            outside: Outside::new(rng.fork(), Log::new(aloud, room.path())),
            plan,
            heartbeat,
            rng,
            sensors: vec![Sensor::default(); DEVICES.len()],
            gas: GasWatch::new(run_on),
            now: FIRST_START,
            died: Duration::ZERO,
            switched_on: Duration::ZERO,
            boot: 0,
            clock_wrong: without_battery(Duration::ZERO),
            clock_was_right: true,
            next_photo: 1,
            life: 0,
            calm: false,
            reboots: false,
            torn: false,
            growth: None,
            room,
        }
    }

    /// One life after the other, until the day is over.
    pub(crate) fn play(mut self) -> (Played, Option<life::Growth>) {
        loop {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .expect("a runtime needs nothing");
            let over = runtime.block_on(life::live(&mut self));
            if over || !self.outside.things().ledger.violations().is_empty() {
                break;
            }
        }
        self.look_once_more();
        let rounds = self.config.phone.as_ref().map_or(0, |phone| phone.rounds);
        let things = &mut *self.outside.things();
        if things.ledger.violations().is_empty() {
            things.ledger.closes(rounds, self.clock_was_right);
        }
        let played = Played {
            summary: things.ledger.summary.clone(),
            hash: things.log.hash(),
            violations: things.ledger.violations().to_vec(),
            last_lines: things.log.last(),
        };
        (played, self.growth)
    }

    /// What a further start would find.
    fn look_once_more(&mut self) {
        let directory = self.directory();
        let opened = Store::open(&directory, SystemClock::shared());
        let image = Image::read(&directory).expect("a database that was opened can be read");
        let torn = self.torn;
        let ledger = &mut self.outside.things().ledger;
        ledger.reopened(&image, self.died, torn);
        drop(opened);
    }

    /// Where the store of this life is.
    pub(crate) fn directory(&self) -> PathBuf {
        self.room.path().join(format!("life-{}", self.life))
    }

    /// The process is dead. What it leaves on the card is carried into a directory of the next
    /// life, before its connection is closed in order.
    pub(crate) fn leaves(&mut self, before: Option<Files>) {
        let directory = self.directory();
        let after = Files::read(&directory);
        let left = match before {
            Some(before) => before.torn(after, &mut self.rng),
            None => after,
        };
        self.life += 1;
        left.write(&self.directory());
        std::fs::remove_dir_all(directory).expect("the directory is ours");
    }
}

/// In memory where there is such a place: a sync that waits changes nothing here.
fn a_room() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let prefix = "asfaleia-simulation-";
    tempfile::Builder::new()
        .prefix(prefix)
        .tempdir_in(memory)
        .or_else(|_| tempfile::Builder::new().prefix(prefix).tempdir())
        .expect("a temporary directory can be made")
}
