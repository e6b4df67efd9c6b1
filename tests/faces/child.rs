//! The child that looks at pictures, broken in every way: the house is told, and watches on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use asfaleia::access::face::{FRAME, Looker, NoLook, Start};
use reqwest::Method;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::json;

use crate::house::{ASTRONAUT, House, until};
use crate::models;

fn start(program: &str, models: PathBuf, patience: u64) -> Start {
    Start {
        program: program.into(),
        models,
        kept: None,
        side: FRAME,
        patience: Duration::from_secs(patience),
    }
}

/// The built program, with the real models.
fn real(patience: u64) -> Start {
    start(env!("CARGO_BIN_EXE_asfaleia"), models(), patience)
}

fn id(child: &Looker) -> Pid {
    let id = child.id().expect("it runs");
    Pid::from_raw(i32::try_from(id).unwrap()).unwrap()
}

fn is_gone(process: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    // One that has ended and was not yet asked for is a zombie.
    status.map_or(true, |it| it.contains(") Z "))
}

fn astronaut() -> Vec<u8> {
    std::fs::read(ASTRONAUT).unwrap()
}

/// Why it was no look; it was one of the child's own faults.
fn broken<T>(look: Result<T, NoLook>) -> String {
    match look {
        Err(broken @ NoLook::Broken(_)) => broken.to_string(),
        Err(NoLook::Refused(why)) => panic!("refused: {why}"),
        Ok(_) => panic!("it was looked at"),
    }
}

#[tokio::test]
async fn a_child_that_is_killed_says_nothing_more_and_another_one_does() {
    let mut child = Looker::start(&real(60)).unwrap();
    assert_eq!(child.look(&astronaut()).await.unwrap().faces, 1);
    kill_process(id(&child), Signal::KILL).unwrap();
    let why = broken(child.look(&astronaut()).await);
    assert!(why.contains("its child ended (signal: 9"), "{why}");
    let mut next = Looker::start(&real(60)).unwrap();
    assert_eq!(next.look(&astronaut()).await.unwrap().faces, 1);
}

#[tokio::test]
async fn a_child_that_hangs_is_not_waited_for_and_goes_with_its_end() {
    let mut child = Looker::start(&real(2)).unwrap();
    let process = id(&child);
    kill_process(process, Signal::STOP).unwrap();
    let began = Instant::now();
    let why = broken(child.look(&astronaut()).await);
    assert!(why.contains("hangs"), "{why}");
    assert!(began.elapsed() >= Duration::from_secs(2));
    drop(child);
    until("the end of the child", || is_gone(process).then_some(()));
}

#[tokio::test]
async fn a_child_without_memory_ends_and_says_no_wrong_thing() {
    let mut child = Looker::start(&real(60)).unwrap();
    assert_eq!(child.look(&astronaut()).await.unwrap().faces, 1);
    // Nothing more than it has.
    let least = Rlimit {
        current: Some(1),
        maximum: Some(1),
    };
    prlimit(Some(id(&child)), Resource::As, least).unwrap();
    let (width, height) = (4_000, 3_000);
    let mut large = format!("P5 {width} {height} 255\n").into_bytes();
    large.resize(large.len() + width * height, 120);
    let why = broken(child.look(&large).await);
    assert!(why.contains("its child ended (signal: 6"), "{why}");
}

#[tokio::test]
async fn what_a_child_says_that_is_no_answer_is_not_taken_for_one() {
    let liar = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faces/liar");
    for (how, says) in [
        ("too-long", "gave an answer that is none: it is too long"),
        ("no-words", "gave an answer that is none"),
        ("cut-off", "gave an answer that is none"),
        ("other-words", "gave an answer that is none"),
        ("half", "failed: its child ended (exit status: 0)"),
        ("nothing", "failed: its child ended (exit status: 3)"),
    ] {
        let mut child = Looker::start(&start(liar, how.into(), 60)).unwrap();
        let why = broken(child.look(&astronaut()).await);
        assert!(why.contains(says), "{how}: {why}");
    }
    let silent = start(liar, "silent".into(), 1);
    let why = broken(Looker::start(&silent).unwrap().look(&astronaut()).await);
    assert!(why.contains("hangs"), "{why}");
    let nobody = start("/nonexistent/asfaleia", models(), 1);
    assert!(Looker::start(&nobody).is_err());
}

#[test]
fn a_child_that_is_killed_is_a_trouble_until_the_next_one_looks() {
    let house = House::start();
    house.enrols_anna();
    house.somebody_comes_in();
    let child = until("a child that looks", || house.child());
    let before = house.status();
    kill_process(child, Signal::KILL).unwrap();
    let trouble = until("the trouble", || house.trouble());
    assert!(trouble.contains("recognising faces failed"), "{trouble}");
    let next = until("another child", || house.child().filter(|it| *it != child));
    until("the trouble's end", || {
        house.trouble().is_none().then_some(())
    });
    // On a busy machine the entry delay may have run out by now, and done what it would have done.
    let after = house.status();
    let untouched = (&after["state"], &after["until"]) == (&before["state"], &before["until"]);
    assert!(untouched || after["state"] == "triggered", "{after}");

    // Nobody is awaited any more, and what ends then is missed by nobody.
    house.ask(Method::POST, "disarm", Some(json!({})));
    kill_process(next, Signal::KILL).unwrap();
    until("its end", || is_gone(next).then_some(()));
    assert_eq!(house.trouble(), None);
    house.somebody_comes_in();
    until("a child for the next who comes", || {
        house.child().filter(|it| *it != next)
    });
}

#[test]
fn while_a_child_hangs_an_alarm_is_on_time_and_then_it_is_ended() {
    let house = House::start();
    house.enrols_anna();
    house.somebody_comes_in();
    let child = until("a child that looks", || house.child());
    kill_process(child, Signal::STOP).unwrap();

    let began = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let began = began.tv_sec * 1_000_000_000 + began.tv_nsec;
    let leak = Some(json!({ "active": true }));
    house.ask(Method::PUT, "sim/sensors/kitchen%20gas", leak);
    let fan = until("the fan", || {
        let outputs = house.ask(Method::GET, "sim/outputs", None);
        (outputs["exhaust"]["active"] == true).then(|| outputs["exhaust"]["changed_ns"].clone())
    });
    let millis = (fan.as_i64().unwrap() - began) / 1_000_000;
    println!("the fan ran {millis} ms after the request that let the gas out");
    assert!((0..1_000).contains(&millis), "{millis} ms");
    assert!(!is_gone(child), "it hangs still");

    let trouble = until("the trouble", || house.trouble());
    assert!(trouble.contains("hangs"), "{trouble}");
    until("the end of what hangs", || is_gone(child).then_some(()));
    // Somebody is awaited still.
    until("another child", || house.child().filter(|it| *it != child));
    until("the trouble's end", || {
        house.trouble().is_none().then_some(())
    });
    assert_ne!(house.status()["state"], "disarmed");
}
