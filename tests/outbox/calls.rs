//! The running outbox on tokio's paused clock: the phone.

use std::time::Duration;

use asfaleia::alarm::{Action, Calls, Event, IncidentId, TroubleCode};
use asfaleia::clock::Stamp;
use asfaleia::notify::{CallSid, PlaceFailure, Progress};
use asfaleia::outbox::{Command, Message};

use crate::world::{Answer, BOOT, DAY, INCIDENT, Seen, WALL, World, book, call, later};

const ZERO: Duration = Duration::ZERO;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[tokio::test(start_paused = true)]
async fn the_ladder_is_climbed_twice_and_then_nobody_answered() {
    let mut world = World::new();
    world.accept(&[call(BOOT, 2)], ZERO);
    let mut called = Vec::new();
    for _ in 0..4 {
        called.push(world.placed().await.1);
    }
    assert_eq!(called[..2], called[2..]);
    assert_ne!(called[0], called[1]);
    assert!(matches!(world.tried().await.1, Seen::Status(_)));
    world.quiet(DAY * 2).await;
    let event = last_event(&world);
    let incident = Some(INCIDENT);
    assert_eq!(event, Some(Event::NobodyAnswered { incident }));
    assert_eq!(
        world.ledger.outcomes()[..4],
        [
            "phone Anna calling",
            "phone Anna no-answer",
            "phone Bob calling",
            "phone Bob no-answer"
        ]
    );
    assert_eq!(world.ledger.outcomes()[8], "phone  nobody-answered");
    assert_eq!(world.waiting.borrow().count, 0);
}

#[tokio::test(start_paused = true)]
async fn a_person_who_answers_has_time_to_acknowledge_and_then_the_next_is_called() {
    let mut world = World::new();
    world.answers().status = [Progress::Ringing, Progress::InProgress, Progress::Completed].into();
    world.accept(&[call(BOOT, 1)], ZERO);
    assert_eq!(world.placed().await.1, "+302101234501");
    let (at, next) = world.placed().await;
    assert_eq!(next, "+302101234502");
    assert!((secs(126)..secs(127)).contains(&at), "{at:?}");
    let proven = world.ledger.updates.lock().unwrap();
    assert!(
        proven
            .iter()
            .any(|update| update.proven == ["phone", "phone:Anna"])
    );
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_ends_the_call_that_rings_and_no_other_follows() {
    let mut world = World::new();
    world.answers().status = std::iter::repeat_n(Progress::Ringing, 9).collect();
    world.accept(&[call(BOOT, 2)], ZERO);
    world.placed().await;
    assert!(matches!(world.tried().await.1, Seen::Status(_)));
    world.tell(Command::StopCalls(Calls::All));
    let (_, Seen::Cancel(sid)) = world.tried().await else {
        panic!("the call goes on ringing");
    };
    assert_eq!(sid, "CA1");
    world.quiet(DAY * 2).await;
    assert_eq!(world.waiting.borrow().count, 0);
    let updates = world.ledger.updates.lock().unwrap();
    let row = updates.iter().rev().find_map(|it| it.messages.last());
    assert!(!row.unwrap().waiting, "a restart does not call either");
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_while_the_request_is_under_way_ends_the_call_it_became() {
    let mut world = World::new();
    world.accept(&[call(BOOT, 2)], ms(10));
    assert!(matches!(world.seen().await.1, Seen::PreparePhone));
    world.tell(Command::StopCalls(Calls::Of(INCIDENT)));
    assert_eq!(world.placed().await.1, "+302101234501");
    assert!(matches!(world.tried().await.1, Seen::Cancel(_)));
    world.quiet(DAY).await;
}

#[tokio::test(start_paused = true)]
async fn that_a_later_call_is_about_to_be_placed_is_recorded_before_it_is() {
    for (store_takes, held_up) in [(ms(10), ms(10)), (DAY, ms(19))] {
        let mut world = World::new();
        *world.ledger.takes.lock().unwrap() = store_takes;
        world.answers().place = [refused()].into();
        world.accept(&[call(BOOT, 1)], ZERO);
        let (first, _) = world.placed().await;
        let (second, _) = world.placed().await;
        let pause = second - first - secs(1);
        assert!(pause >= held_up && pause <= held_up + ms(3), "{pause:?}");
        let updates = world.ledger.updates.lock().unwrap();
        let mut rows = updates.iter().flat_map(|update| &update.messages);
        assert!(rows.any(|row| row.body.contains("\"stage\":\"placing\"")));
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_another_incident_go_on() {
    let mut world = World::new();
    world.accept(&[call(BOOT, 1)], ZERO);
    world.placed().await;
    world.tell(Command::StopCalls(Calls::Of(IncidentId(99))));
    assert_eq!(world.placed().await.1, "+302101234502");
}

#[tokio::test(start_paused = true)]
async fn slow_down_is_obeyed_on_the_same_rung() {
    let mut world = World::new();
    world.answers().place = [Answer::Now(Err(PlaceFailure::Temporary {
        why: "429".into(),
        after: Some(secs(30)),
    }))]
    .into();
    world.accept(&[call(BOOT, 1)], ZERO);
    let (_, first) = world.placed().await;
    let (at, second) = world.placed().await;
    assert_eq!(first, second);
    assert!((secs(30)..=ms(30_002)).contains(&at), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_number_is_a_trouble_and_the_next_is_called() {
    let mut world = World::new();
    world.answers().place = [refused()].into();
    world.accept(&[call(BOOT, 1)], ZERO);
    world.placed().await;
    let (at, next) = world.placed().await;
    assert_eq!(next, "+302101234502");
    assert!(at < secs(2));
    let Some(Event::TroubleRaised(trouble)) = first_event(&world) else {
        panic!("no trouble");
    };
    assert_eq!(
        (trouble.code, &*trouble.subject),
        (TroubleCode::Phone, "Anna")
    );
    assert!(trouble.text.contains("invalid number (code 21217)"));
    assert!(!trouble.text.contains("+30"), "no number in it");
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_that_became_a_call_is_not_repeated() {
    let mut world = World::new();
    world.answers().place = [lost()].into();
    world.answers().find = [Ok(vec![CallSid("CA77".into())])].into();
    world.accept(&[call(BOOT, 1)], ZERO);
    world.placed().await;
    assert!(matches!(world.tried().await.1, Seen::Find(number, _) if number == "+302101234501"));
    assert!(matches!(world.tried().await.1, Seen::Status(sid) if sid == "CA77"));
    assert_eq!(world.placed().await.1, "+302101234502");
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_that_became_none_is_repeated_and_an_old_call_is_not_taken_for_it() {
    let mut world = World::new();
    // Anna is called as CA2, Bob as CA3; Anna's next request is lost, and what the look-up finds
    // is a call that is known already.
    world.answers().find = [
        Err(later("503")),
        Ok(Vec::new()),
        Ok(vec![CallSid("CA3".into())]),
    ]
    .into();
    world.answers().place = [lost()].into();
    world.accept(&[call(BOOT, 2)], ZERO);
    world.placed().await;
    for _ in 0..2 {
        assert!(matches!(world.tried().await.1, Seen::Find(..)));
    }
    assert_eq!(world.placed().await.1, "+302101234501", "repeated");
    assert_eq!(world.placed().await.1, "+302101234502");
    world.answers().place = [Answer::Hang].into();
    assert_eq!(world.placed().await.1, "+302101234501");
    let (at, seen) = world.tried().await;
    assert!(matches!(seen, Seen::Find(..)), "{seen:?}");
    assert!(at > secs(120), "after the request had its time");
    assert_eq!(world.placed().await.1, "+302101234501", "CA3 is over");
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_does_not_take_the_call_of_another_ladder_for_its_own() {
    for canceled in [false, true] {
        let mut world = World::new();
        // Both call Anna at once: the first becomes CA1, the other's request is lost.
        world.answers().place = [Answer::Now(Ok(CallSid("CA1".into()))), lost()].into();
        world.answers().find = [Ok(vec![CallSid("CA1".into())])].into();
        world.answers().status = std::iter::repeat_n(Progress::Ringing, 9).collect();
        world.accept(&[call(BOOT, 1), another_call()], ZERO);
        world.placed().await;
        world.placed().await;
        if canceled {
            world.tell(Command::StopCalls(Calls::Of(INCIDENT)));
        }
        while !matches!(world.tried().await.1, Seen::Find(..)) {}
        assert_eq!(world.placed().await.1, "+302101234501", "gas is told of");
    }
}

#[tokio::test(start_paused = true)]
async fn an_own_call_is_found_behind_the_call_of_another_ladder() {
    let mut world = World::new();
    world.answers().place = [Answer::Now(Ok(CallSid("CA1".into()))), lost()].into();
    world.answers().find = [Ok(vec![CallSid("CA1".into()), CallSid("CA2".into())])].into();
    world.answers().status = std::iter::repeat_n(Progress::Ringing, 9).collect();
    world.accept(&[call(BOOT, 1), another_call()], ZERO);
    world.placed().await;
    world.placed().await;
    world.tell(Command::StopCalls(Calls::Of(INCIDENT)));
    loop {
        match world.tried().await.1 {
            Seen::Status(sid) if sid == "CA2" => break,
            Seen::Place(number) => panic!("called twice: {number}"),
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_ladder_restored_after_a_crash_looks_its_call_up_before_it_calls() {
    let row = {
        let clock = World::new().clock;
        let now = Stamp::now(&*clock);
        book().rows(&call(BOOT, 1), &now).remove(0).row(true)
    };
    assert!(row.waiting);
    let mut world = World::with(|outbox, now| {
        outbox.restore([Message::from_body(&row.body).unwrap()], now);
    });
    let (_, Seen::Find(number, since)) = world.tried().await else {
        panic!("called without a look");
    };
    assert_eq!(number, "+302101234501");
    assert_eq!(since, WALL);
    assert_eq!(world.placed().await.1, "+302101234501");
}

#[tokio::test(start_paused = true)]
async fn a_ladder_that_can_place_no_call_gives_up_after_a_day_and_says_so() {
    let mut world = World::new();
    let down = || {
        Answer::Now(Err(PlaceFailure::Temporary {
            why: "connection refused".into(),
            after: None,
        }))
    };
    world.answers().place = std::iter::repeat_with(down).take(1_000).collect();
    world.accept(&[call(BOOT, 2)], ZERO);
    while world.waiting.borrow_and_update().count == 0 {
        world.waiting.changed().await.unwrap();
    }
    let mut waiting = world.waiting.clone();
    waiting
        .wait_for(|waiting| waiting.count == 0)
        .await
        .unwrap();
    let events: Vec<Event> = world.letters.try_iter().map(|it| it.event).collect();
    let incident = Some(INCIDENT);
    assert!(
        events.contains(&Event::NobodyAnswered { incident }),
        "{events:?}"
    );
    let codes: Vec<_> = (events.iter())
        .filter_map(|event| match event {
            Event::TroubleRaised(trouble) => Some(trouble.code),
            _ => None,
        })
        .collect();
    assert_eq!(codes, [TroubleCode::Phone, TroubleCode::GivenUp]);
}

/// Found by thinking about the simulation's steps: the ladder's row was done with in one commit, and
/// the panel's mail that says so was in another. A kill between the two, and nobody heard of it.
#[tokio::test(start_paused = true)]
async fn a_ladder_is_not_done_with_before_the_panel_has_said_that_nobody_answered() {
    let mut world = World::new();
    world.accept(&[call(BOOT, 1)], ZERO);
    while world.waiting.borrow_and_update().count == 0 {
        world.waiting.changed().await.unwrap();
    }
    let mut waiting = world.waiting.clone();
    waiting
        .wait_for(|waiting| waiting.count == 0)
        .await
        .unwrap();
    let incident = Some(INCIDENT);
    assert_eq!(last_event(&world), Some(Event::NobodyAnswered { incident }));

    // What a kill at this moment leaves.
    let row = {
        let updates = world.ledger.updates.lock().unwrap();
        let rows = updates.iter().flat_map(|update| &update.messages);
        rows.last().unwrap().clone()
    };
    assert!(
        row.waiting,
        "nothing in the store would say that nobody answered"
    );
    let message = Message::from_body(&row.body).unwrap();
    let mut restored = World::with(|outbox, now| outbox.restore([message], now));
    restored.quiet(DAY).await;
    let events: Vec<Event> = restored.letters.try_iter().map(|it| it.event).collect();
    assert_eq!(events, [Event::NobodyAnswered { incident }]);
    assert_eq!(restored.ledger.outcomes(), ["phone  nobody-answered"]);
}

/// Of another incident, to the same people.
fn another_call() -> Action {
    let mut action = call(BOOT, 1);
    if let Action::Call { incident, .. } = &mut action {
        *incident = Some(IncidentId(8));
    }
    action
}

fn lost() -> Answer<Result<CallSid, PlaceFailure>> {
    Answer::Now(Err(PlaceFailure::Uncertain {
        why: "timed out".into(),
    }))
}

fn refused() -> Answer<Result<CallSid, PlaceFailure>> {
    Answer::Now(Err(PlaceFailure::Permanent {
        why: "invalid number".into(),
        code: Some(21217),
    }))
}

fn first_event(world: &World) -> Option<Event> {
    world.letters.try_iter().next().map(|it| it.event)
}

fn last_event(world: &World) -> Option<Event> {
    world.letters.try_iter().last().map(|it| it.event)
}
