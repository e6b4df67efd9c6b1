//! The ladder by itself: whatever the telephone service does, it ends.

use std::time::Duration;

use asfaleia::alarm::{BootTime, CallEnd, End, Ladder, Refusal, Rung, Step};
use proptest::prelude::*;

const T0: BootTime = BootTime::from_secs(100);
const DAY: Duration = Duration::from_secs(86_400);
const ACK: Duration = Duration::from_secs(120);
const POLL_EVERY: Duration = Duration::from_secs(2);
const CALL_AT_MOST: Duration = Duration::from_secs(300);

fn ladder(contacts: usize, rounds: u32) -> Ladder {
    let rungs = (0..contacts)
        .map(|n| Rung {
            contact: format!("contact {n}"),
            number: format!("+3021012345{n:02}"),
        })
        .collect();
    Ladder::new(rungs, rounds, ACK, T0, T0 + DAY)
}

fn calls(ladder: &mut Ladder, now: BootTime) -> String {
    assert_eq!(ladder.next(now), Step::Place);
    let contact = ladder.contact().unwrap().contact.clone();
    ladder.about_to_place();
    ladder.placed(now);
    contact
}

#[test]
fn a_busy_line_moves_on_at_once_and_after_all_rounds_nobody_answered() {
    let mut ladder = ladder(2, 2);
    let mut now = T0;
    let mut called = Vec::new();
    let end = loop {
        match ladder.next(now) {
            Step::Wait { until } => now = until,
            Step::Ended(end) => break end,
            Step::Place => {
                called.push(calls(&mut ladder, now));
                ladder.call_ended(CallEnd::Busy, now);
            }
            Step::LookUp | Step::Poll => panic!("nothing to ask for"),
        }
    };
    assert_eq!(end, End::NobodyAnswered);
    assert_eq!(called, ["contact 0", "contact 1", "contact 0", "contact 1"]);
    assert!(now.since(T0) < Duration::from_secs(10));
}

#[test]
fn a_person_who_answered_has_the_ack_time_before_the_next_is_called() {
    let mut ladder = ladder(2, 1);
    calls(&mut ladder, T0);
    let ended = T0 + Duration::from_secs(40);
    ladder.call_ended(CallEnd::Completed, ended);
    let until = ended + ACK;
    assert_eq!(ladder.next(ended), Step::Wait { until });
    assert_eq!(calls(&mut ladder, until), "contact 1");
}

#[test]
fn an_acknowledgement_stops_the_ladder_and_a_late_report_does_not_revive_it() {
    let mut ladder = ladder(2, 2);
    assert_eq!(ladder.next(T0), Step::Place);
    ladder.about_to_place();
    assert!(!ladder.acknowledge());
    ladder.placed(T0);
    ladder.place_failed(Refusal::Temporary(ACK), T0);
    assert_eq!(ladder.next(T0 + DAY), Step::Ended(End::Acknowledged));
    assert_eq!(ladder.contact(), None);
}

#[test]
fn acknowledging_tells_of_the_call_that_still_rings() {
    let mut ladder = ladder(1, 1);
    calls(&mut ladder, T0);
    assert!(ladder.acknowledge());
    assert!(!ladder.cancel(), "it has been stopped already");
    assert_eq!(ladder.ended(), Some(End::Acknowledged));
}

#[test]
fn slow_down_keeps_the_rung_and_a_refusal_takes_the_next() {
    let mut ladder = ladder(2, 1);
    ladder.about_to_place();
    let after = Duration::from_secs(30);
    ladder.place_failed(Refusal::Temporary(after), T0);
    let until = T0 + after;
    assert_eq!(ladder.next(T0), Step::Wait { until });
    assert_eq!(ladder.next(until), Step::Place);
    assert_eq!(ladder.contact().unwrap().contact, "contact 0");
    ladder.about_to_place();
    ladder.place_failed(Refusal::Permanent, until);
    assert_eq!(ladder.contact().unwrap().contact, "contact 1");
}

#[test]
fn a_request_that_was_lost_is_looked_up_before_it_is_repeated() {
    let mut ladder = ladder(1, 1);
    ladder.about_to_place();
    let after = Duration::from_secs(2);
    ladder.place_failed(Refusal::Uncertain(after), T0);
    let then = T0 + after;
    assert_eq!(ladder.next(T0), Step::Wait { until: then });
    assert_eq!(ladder.next(then), Step::LookUp);
    let mut other = ladder.clone();
    ladder.looked_up(true, then);
    assert_eq!(ladder.next(then + POLL_EVERY), Step::Poll);
    other.looked_up(false, then);
    assert_eq!(other.next(then), Step::Place);
}

#[test]
fn a_ladder_that_died_while_placing_looks_the_call_up() {
    let mut ladder = ladder(1, 1);
    ladder.about_to_place();
    let saved = serde_json::to_string(&ladder).unwrap();
    let mut restored: Ladder = serde_json::from_str(&saved).unwrap();
    assert_eq!(restored, ladder);
    assert_eq!(restored.next(T0), Step::LookUp);
}

#[test]
fn another_boot_leaves_what_was_left_of_the_ack_time() {
    let mut ladder = ladder(2, 1);
    calls(&mut ladder, T0);
    ladder.call_ended(CallEnd::Completed, T0);
    let (saved, boot) = (T0 + ACK / 2, BootTime::from_secs(7));
    ladder.rebase(saved, boot);
    let until = boot + ACK / 2;
    assert_eq!(ladder.next(boot), Step::Wait { until });
}

#[test]
fn a_call_that_never_ends_is_given_up() {
    let mut ladder = ladder(2, 1);
    calls(&mut ladder, T0);
    assert!(ladder.still_calling(Duration::ZERO, T0 + POLL_EVERY));
    assert!(!ladder.still_calling(Duration::ZERO, T0 + CALL_AT_MOST));
    assert_eq!(ladder.contact().unwrap().contact, "contact 1");
}

/// What the world answers to each step.
#[derive(Debug, Clone, Copy)]
struct World {
    place: u8,
    found: bool,
    how: u8,
    late: u64,
}

fn answer(ladder: &mut Ladder, step: Step, world: World, now: BootTime) {
    let after = Duration::from_secs(5 + world.late);
    match step {
        Step::Place => {
            ladder.about_to_place();
            match world.place % 4 {
                0 => ladder.placed(now),
                1 => ladder.place_failed(Refusal::Temporary(after), now),
                2 => ladder.place_failed(Refusal::Permanent, now),
                _ => ladder.place_failed(Refusal::Uncertain(after), now),
            }
        }
        Step::LookUp if world.how == 0 => ladder.look_up_failed(after, now),
        Step::LookUp => ladder.looked_up(world.found, now),
        Step::Poll => match world.how % 4 {
            0 => ladder.call_ended(CallEnd::Completed, now),
            1 => ladder.call_ended(CallEnd::NoAnswer, now),
            _ => {
                let _ = ladder.still_calling(Duration::ZERO, now);
            }
        },
        Step::Wait { .. } | Step::Ended(_) => {}
    }
}

proptest! {
    #[test]
    fn every_ladder_ends_and_none_places_after_an_acknowledgement(
        contacts in 0..4_usize,
        rounds in 0..4_u32,
        worlds in prop::collection::vec(
            (any::<u8>(), any::<bool>(), any::<u8>(), 0..60_u64),
            1..40,
        ),
        acknowledged_at in prop::option::of(0..200_usize),
    ) {
        let mut ladder = ladder(contacts, rounds);
        let mut now = T0;
        let mut steps = 0;
        loop {
            let step = ladder.next(now);
            prop_assert_eq!(step, ladder.next(now), "asking twice changes nothing");
            if let Step::Ended(end) = step {
                prop_assert_ne!(end, End::Canceled);
                break;
            }
            if let Step::Wait { until } = step {
                prop_assert!(until > now);
                now = until;
            }
            let (place, found, how, late) = worlds[steps % worlds.len()];
            answer(&mut ladder, step, World { place, found, how, late }, now);
            steps += 1;
            if acknowledged_at == Some(steps) {
                ladder.acknowledge();
                prop_assert!(ladder.ended().is_some());
            }
            // A try every five seconds for a day, three steps each.
            prop_assert!(steps < 3 * 86_400 / 5 + 1_000, "it does not end");
        }
        ladder.about_to_place();
        ladder.placed(now);
        ladder.looked_up(false, now);
        prop_assert!(matches!(ladder.next(now + DAY), Step::Ended(_)));
    }
}
