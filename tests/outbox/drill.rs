//! A drill's messages, path by path.

use std::time::Duration;

use asfaleia::alarm::{About, Action, Actor, Notice, Origin, PhotoId};
use asfaleia::notify::{Failure, PlaceFailure, Progress};
use asfaleia::outbox::Command;

use crate::world::*;

fn notice(now: asfaleia::alarm::BootTime) -> Notice {
    let by = Actor::owner(Origin::Schedule);
    Notice::plain(About::Drill { by }, now)
}

fn drill_call() -> Action {
    let Action::Call { rungs, .. } = call(BOOT, 1) else {
        unreachable!("a call is one");
    };
    Action::Call {
        incident: None,
        notice: notice(BOOT),
        rungs,
        rounds: 1,
        ack_time: Duration::ZERO,
    }
}

fn proofs(world: &World) -> Vec<String> {
    let mut outcomes = world.ledger.outcomes();
    outcomes.retain(|line| line.starts_with("proof of"));
    outcomes
}

#[tokio::test(start_paused = true)]
async fn every_path_of_a_drill_says_what_became_of_it() {
    let mut world = World::new();
    world
        .answers()
        .mail
        .push_back(Answer::Now(Err(Failure::Permanent {
            why: "550 no such user".into(),
        })));
    world.answers().status.push_back(Progress::Completed);
    world.accept(&[drill_call(), Action::Send(notice(BOOT))], Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut proofs = proofs(&world);
    proofs.sort();
    let expected = [
        "proof of email:Anna: Failed refused: 550 no such user",
        "proof of email:Bob: Delivered 250 queued",
        "proof of phone:Anna: Delivered ",
        "proof of phone:Anna: Pending ",
        "proof of phone:Bob: Failed no-answer",
        "proof of phone:Bob: Pending ",
        "proof of webhook:ntfy: Delivered 250 queued",
    ];
    assert_eq!(proofs, expected);
    let updates = world.ledger.updates.lock().unwrap();
    let proven: Vec<&str> = (updates.iter().flat_map(|it| &it.proven))
        .map(String::as_str)
        .collect();
    for path in ["email", "email:Bob", "phone", "phone:Anna", "webhook:ntfy"] {
        assert!(proven.contains(&path), "{path}: {proven:?}");
    }
    assert!(!proven.contains(&"email:Anna") && !proven.contains(&"phone:Bob"));
}

#[tokio::test(start_paused = true)]
async fn a_drills_mail_waits_for_its_photo() {
    let mut world = World::new();
    let with_photo = Notice {
        wait_for_photo: Some(BOOT + Duration::from_secs(5)),
        ..notice(BOOT)
    };
    world.accept(&[Action::Send(with_photo)], Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.tell(Command::Tried(Ok(PhotoId(3))));
    let mut mails = 0;
    while mails < 2 {
        match world.tried().await {
            (at, Seen::Mail(_, mail)) => {
                assert_eq!(mail.photos.len(), 1);
                assert!(at < Duration::from_secs(2), "{at:?}");
                mails += 1;
            }
            (_, Seen::Webhook(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_alarm_ends_the_calls_of_a_drill() {
    let mut world = World::new();
    let ringing = [Progress::Ringing, Progress::Ringing, Progress::Ringing];
    world.answers().status.extend(ringing);
    world.accept(&[drill_call()], Duration::ZERO);
    assert_eq!(world.placed().await.1, "+302101234501");
    world.accept(&[call(BOOT, 1)], Duration::ZERO);
    let (at, number) = world.placed().await;
    assert_eq!(number, "+302101234501");
    assert!(at < Duration::from_secs(1), "the alarm waits for nothing");
    let mut canceled = false;
    while !canceled {
        canceled = matches!(world.tried().await.1, Seen::Cancel(call) if call == "CA1");
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let ended = "Failed canceled: an alarm came in between";
    assert_eq!(
        proofs(&world)[1..],
        [
            format!("proof of phone:Anna: {ended}"),
            format!("proof of phone:Bob: {ended}")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_ladders_later_calls_know_when_its_first_was_placed() {
    let mut world = World::new();
    let busy = PlaceFailure::Temporary {
        why: "503".into(),
        after: Some(Duration::from_secs(30)),
    };
    world.answers().place.push_back(Answer::Now(Err(busy)));
    world.accept(&[call(BOOT, 2)], Duration::ZERO);
    for _ in 0..3 {
        world.placed().await;
    }
    let updates = world.ledger.updates.lock().unwrap();
    let rows = updates.iter().flat_map(|update| &update.messages);
    let message = rows.last().unwrap();
    let message = asfaleia::outbox::Message::from_body(&message.body).unwrap();
    let first = message.first_call.unwrap().boot.since(BOOT).as_secs();
    assert!(
        (24..=60).contains(&first),
        "{first} s: the first that was placed"
    );
}
