//! From a frame to the decision, and what the child takes.

use std::time::{Duration, Instant};

use asfaleia::access::face::{KEPT, Looker, Start};

use crate::models;

#[tokio::test]
async fn a_frame_is_looked_at_in_a_child_that_takes_no_more_than_it_may() {
    let house = tempfile::tempdir().unwrap();
    let start = Start {
        program: env!("CARGO_BIN_EXE_asfaleia").into(),
        models: models(),
        kept: house.path().join(KEPT),
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
