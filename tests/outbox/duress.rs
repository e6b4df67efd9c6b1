//! Silent alarms: told to those who shall know, and seen by nobody else.

use std::time::Duration;

use asfaleia::alarm::{About, Action, Actor, Calls, Notice, Origin};
use asfaleia::notify::{Failure, PlaceFailure, Progress};
use asfaleia::outbox::Command;

use crate::world::*;

fn notice() -> Notice {
    let by = Actor {
        name: Some("Anna".into()),
        ..Actor::owner(Origin::Mqtt)
    };
    Notice::plain(About::Duress { by }, BOOT)
}

fn silent_alarm() -> [Action; 2] {
    let Action::Call { rungs, .. } = call(BOOT, 1) else {
        unreachable!("a call is one");
    };
    let call = Action::Call {
        incident: None,
        notice: notice(),
        rungs: rungs[1..].to_vec(),
        rounds: 2,
        ack_time: Duration::ZERO,
    };
    [Action::Send(notice()), call]
}

/// All that the rest of the program hears of the outbox.
fn traces(world: &World) -> Vec<String> {
    let mut traces = world.ledger.outcomes();
    let updates = world.ledger.updates.lock().unwrap();
    traces.extend(updates.iter().flat_map(|it| it.proven.clone()));
    let told = world.letters.try_iter();
    traces.extend(told.map(|letter| format!("{:?}", letter.event)));
    traces
}

#[tokio::test(start_paused = true)]
async fn it_goes_to_those_who_shall_know_and_leaves_no_trace_but_its_rows() {
    let mut world = World::new();
    world
        .answers()
        .status
        .extend([Progress::NoAnswer, Progress::Completed]);
    world.accept(&silent_alarm(), Duration::ZERO);
    let mut mailed = 0;
    let mut called = Vec::new();
    while called.len() < 2 || mailed < 1 {
        match world.tried().await.1 {
            Seen::Mail(to, mail) => {
                assert_eq!((to.as_str(), &mail.notice), ("Bob", &notice()));
                mailed += 1;
            }
            Seen::Place(number) => called.push(number),
            Seen::Status(_) => {}
            other => panic!("nobody else is told: {other:?}"),
        }
        assert_eq!(world.waiting.borrow().count, 0);
    }
    tokio::time::sleep(DAY).await;
    assert_eq!(called, ["+302101234502", "+302101234502"]);
    assert_eq!(traces(&world), Vec::<String>::new());
    let updates = world.ledger.updates.lock().unwrap();
    let rows = updates.iter().flat_map(|it| &it.messages);
    assert!(rows.clone().all(|row| row.id >= 1 << 63));
    assert_eq!(
        rows.filter(|row| !row.waiting).count(),
        2,
        "both are settled"
    );
}

#[tokio::test(start_paused = true)]
async fn when_no_way_works_no_trouble_says_so() {
    let mut world = World::new();
    {
        let mut answers = world.answers();
        for _ in 0..500 {
            let down = later("421 not now");
            answers.mail.push_back(Answer::Now(Err(down)));
            let down = PlaceFailure::Temporary {
                why: "503".into(),
                after: None,
            };
            answers.place.push_back(Answer::Now(Err(down)));
        }
    }
    world.accept(&silent_alarm(), Duration::ZERO);
    tokio::time::sleep(DAY * 2).await;
    assert_eq!(traces(&world), Vec::<String>::new());
    // And a trouble that an ordinary mail meets afterwards is raised as ever.
    let refused = Failure::Permanent {
        why: "550 no".into(),
    };
    *world.answers() = Answers::default();
    world.answers().mail.push_back(Answer::Now(Err(refused)));
    world.accept(&[Action::Send(all_clear(BOOT))], Duration::ZERO);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let traces = traces(&world);
    assert!(
        traces.iter().any(|it| it.contains("TroubleRaised")),
        "{traces:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_acknowledges_it_away_and_a_drill_does_not_notice_it() {
    let mut world = World::new();
    let [_, call] = silent_alarm();
    world.accept(&[call], Duration::ZERO);
    assert_eq!(world.placed().await.1, "+302101234502");
    world.tell(Command::StopCalls(Calls::All));
    let drill = Action::Call {
        incident: None,
        notice: Notice::plain(
            About::Drill {
                by: Actor::owner(Origin::Schedule),
            },
            BOOT,
        ),
        rungs: match super::world::call(BOOT, 1) {
            Action::Call { rungs, .. } => rungs[..1].to_vec(),
            _ => unreachable!("a call is one"),
        },
        rounds: 1,
        ack_time: Duration::ZERO,
    };
    world.accept(&[drill], Duration::ZERO);
    let mut numbers = vec![world.placed().await.1, world.placed().await.1];
    numbers.sort();
    assert_eq!(numbers, ["+302101234501", "+302101234502"]);
    let outcomes = world.ledger.outcomes();
    assert!(
        !outcomes.iter().any(|it| it.contains("canceled")),
        "{outcomes:?}"
    );
}

#[test]
fn it_takes_no_number_that_another_message_would_have_had() {
    let clock = asfaleia::clock::SystemClock::shared();
    let now = asfaleia::clock::Stamp::now(&*clock);
    let mut book = book();
    let silent: Vec<_> = (silent_alarm().iter())
        .flat_map(|it| book.rows(it, &now))
        .collect();
    assert_eq!(silent.len(), 2);
    assert_eq!(book.next_id(), 1);
    assert_eq!(book.rows(&Action::Send(all_clear(BOOT)), &now)[0].id, 1);
}
