//! Days in which everything breaks, played in virtual time by one seeded scheduler over the
//! program's own parts: panel, executor, journal, outbox, and the store on a real file. An oracle
//! holds the invariants. `docs/simulation.md` says how to replay a seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod clock;
mod disk;
mod gas;
mod house;
mod ledger;
mod life;
mod log;
mod outside;
mod people;
mod plan;
mod summary;
mod witness;
mod world;

use std::io::Write;
use std::ops::Range;

use plan::Plan;
use summary::Summary;
use world::{Played, World};

fn a_bad_day(seed: u64, aloud: bool) -> Played {
    World::new(seed, aloud, Plan::bad_day).play().0
}

/// Past the test's capture.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// `SEED=7`, `SEEDS=200`, `SEEDS=100..300`; a few without.
fn seeds() -> (Range<u64>, bool) {
    let number = |text: &str| text.parse::<u64>().expect("SEED and SEEDS are numbers");
    if let Ok(seed) = std::env::var("SEED") {
        let seed = number(&seed);
        return (seed..seed + 1, true);
    }
    let seeds = std::env::var("SEEDS").unwrap_or_else(|_| "8".to_owned());
    let range = match seeds.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&seeds),
    };
    (range, false)
}

#[test]
fn nothing_is_lost_on_days_on_which_everything_breaks() {
    let (seeds, aloud) = seeds();
    let mut summary = Summary::default();
    let mut violations = 0;
    for seed in seeds.clone() {
        let played = a_bad_day(seed, aloud);
        summary.add(&played.summary);
        for violation in &played.violations {
            say(&format!("seed {seed}: {violation}"));
        }
        if !played.violations.is_empty() {
            violations += played.violations.len();
            if violations < 5 {
                say(&played.last_lines);
            }
            say(&format!(
                "again: SEED={seed} cargo test --test simulation nothing"
            ));
        }
    }
    let days = seeds.end - seeds.start;
    say(&format!(
        "simulation: {days} seeds, {days} days, {summary}, {violations} violations"
    ));
    assert_eq!(violations, 0, "the lines above say where");
}

#[test]
fn a_seed_plays_the_same_day_twice() {
    for seed in 1..=2 {
        let (one, other) = (a_bad_day(seed, false), a_bad_day(seed, false));
        assert_eq!(one.last_lines, other.last_lines, "seed {seed}");
        assert_eq!(one.hash, other.hash, "seed {seed}");
    }
    assert_ne!(a_bad_day(1, false).hash, a_bad_day(2, false).hash);
}

#[test]
fn memory_stays_flat_over_a_year() {
    // In a process of its own: what other tests use must not count.
    let program = std::env::current_exe().expect("a test knows its program");
    let year = std::process::Command::new(program)
        .args(["--exact", "a_quiet_year", "--ignored", "--nocapture"])
        .output()
        .expect("the test can be started again");
    let printed = String::from_utf8_lossy(&year.stdout);
    for line in printed.lines().filter(|line| line.starts_with("year:")) {
        say(line);
    }
    assert!(year.status.success(), "{printed}");
}

#[test]
#[ignore = "memory_stays_flat_over_a_year starts it"]
fn a_quiet_year() {
    let mut world = World::new(1, false, |rng| Plan::quiet_days(365, rng));
    world.growth = Some(life::Growth::default());
    let (played, growth) = world.play();
    let growth = growth.unwrap();
    let month = |n: usize| (n * 30).min(growth.days.len() - 1);
    let most = |from: usize, to: usize| {
        let days = &growth.days[month(from)..month(to)];
        days.iter().fold([0; 3], |most, day| {
            std::array::from_fn(|n| most[n].max(day[n]))
        })
    };
    let (early, late) = (most(1, 2), most(11, 12));
    let (before, after) = (growth.resident[month(2)], growth.resident[month(12)]);
    say(&format!(
        "year: {} days, {}; state {} then {} bytes, messages waiting {} then {}, batches {} then \
         {} at most in the 2nd and the 12th month; resident {before} then {after} kB",
        growth.days.len(),
        played.summary,
        early[0],
        late[0],
        early[1],
        late[1],
        early[2],
        late[2],
    ));
    assert_eq!(played.violations, Vec::<String>::new());
    assert!(
        late[0] <= early[0] * 5 / 4 + 1_000,
        "the panel's state grows"
    );
    assert!(late[1] <= early[1] + 5, "messages gather");
    assert!(late[2] <= early[2] + 2, "batches gather");
    assert!(after <= before + before / 10 + 1_024, "memory grows");
}
