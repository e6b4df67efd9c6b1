//! From a frame to the decision, and what the child takes.

use std::time::{Duration, Instant};

use asfaleia::access::face::{FRAME, KEPT, Looker, Start};

use crate::house::{House, until};
use crate::models;

#[tokio::test]
async fn a_frame_is_looked_at_in_a_child_that_takes_no_more_than_it_may() {
    let house = tempfile::tempdir().unwrap();
    let start = Start {
        program: env!("CARGO_BIN_EXE_asfaleia").into(),
        models: models(),
        kept: Some(house.path().join(KEPT)),
        side: FRAME,
        patience: Duration::from_secs(60),
    };
    let jpeg = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/faces/astronaut.png"
    ));
    let frame = jpeg.unwrap();
    for how in ["folded anew", "folded before"] {
        let began = Instant::now();
        let mut child = Looker::start(&start).unwrap();
        child.look(&frame).await.unwrap();
        let first = began.elapsed();
        let mut looks: Vec<Duration> = Vec::new();
        for _ in 0..20 {
            let began = Instant::now();
            let look = child.look(&frame).await.unwrap();
            assert_eq!(look.faces, 1);
            looks.push(began.elapsed());
        }
        looks.sort_unstable();
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", child.id().unwrap())).unwrap();
        let peak = status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap();
        println!(
            "{how}: first look {first:.0?}, then median {:.1?}, slowest {:.1?}; {peak}",
            looks[10], looks[19]
        );
        let kilobytes: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(kilobytes < 200_000, "{peak}");
    }
}

/// The networks are the child's: the daemon's own memory is that of a house in which nobody is
/// awaited. What it takes of its file is only read anew, and counts for nothing when memory is short.
#[test]
fn the_daemons_memory_is_the_same_before_during_and_after() {
    let house = House::start();
    house.enrols_anna();
    let settled = || {
        let mut least = house.memory();
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(100));
            least = least.min(house.memory());
        }
        least
    };
    let comes_and_goes = || {
        house.somebody_comes_in();
        until("a child that looks", || house.child());
        let during = settled();
        house.cli(&["disarm"]);
        (during, settled())
    };
    // What the first time needs for ever (the simulated camera, code) is no growth.
    comes_and_goes();
    let before = settled();
    let (during, after) = comes_and_goes();
    let kept = comes_and_goes().1;
    for (when, (own, file)) in [
        ("before", before),
        ("during", during),
        ("after", after),
        ("after another time", kept),
    ] {
        println!("{when}: {own} kB of its own, {file} kB of its file");
    }
    let most = before.0 + 512;
    for (own, _) in [during, after, kept] {
        assert!(own <= most, "{own} kB, before {} kB", before.0);
    }
}
