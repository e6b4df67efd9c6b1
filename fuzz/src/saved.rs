//! What an earlier run left behind: the panel's state, and messages that wait.

use std::time::Duration;

use asfaleia::alarm::{
    Actor, Alarm, BootTime, Command, Event, Mode, Origin, Reading, Right, Started, StoreFound,
    Trouble, TroubleCode,
};
use asfaleia::clock::{Stamp, WallTime};
use asfaleia::notify::words::Words;
use asfaleia::notify::{CallSid, CallStatus, Delivered, Failure, Outgoing, PlaceFailure, Progress};
use asfaleia::outbox::{AddressBook, Channels, Job, Message, Outbox, Outcome};
use asfaleia::panel::SavedState;

use super::house;

fn now(boot: BootTime) -> Stamp {
    Stamp {
        boot,
        wall: WallTime(1_795_427_471_000),
        boot_id: "this".into(),
    }
}

/// The panel's state. First byte: whether the Pi was switched on since, and the order of events.
pub fn state(data: &[u8]) {
    let Some((how, text)) = data.split_first() else {
        return;
    };
    let Ok(saved) = serde_json::from_slice::<SavedState>(text) else {
        return;
    };
    let written = serde_json::to_string(&saved).expect("it is data");
    let again: SavedState = serde_json::from_str(&written).expect("it was written by us");
    assert_eq!(again, saved);

    let house = house();
    let SavedState { mut alarm, threads } = saved;
    let new_boot = how & 1 != 0;
    let mut at = BootTime::from_secs(1_000);
    if new_boot {
        let saved_at = BootTime::from_secs(5_000);
        alarm.rebase(saved_at, BootTime::from_secs(5_100), at);
    }
    let chance = fastrand::Rng::with_seed(1);
    let mut book = AddressBook::new(Channels::from(house), threads, 1, chance);
    let mut panel = Alarm::new(house.policy(), alarm, at);
    let mut events = events(new_boot);
    if how & 2 != 0 {
        events[1..].reverse();
    }
    let mut out = Vec::new();
    for event in events {
        panel.step(event, at, &mut out);
        let _ = panel.status();
        for action in out.drain(..) {
            for message in book.rows(&action, &now(at)) {
                let row = message.row(true);
                assert!(Message::from_body(&row.body).is_ok());
            }
        }
        // Some deadlines on: time moves, however far off they are.
        for _ in 0..3 {
            let Some(due) = panel.deadline() else { break };
            if due == BootTime::from_nanos(u64::MAX) {
                break;
            }
            at = at.max(due);
            panel.step(Event::Tick, at, &mut out);
            assert!(
                panel.deadline().is_none_or(|next| next > at),
                "it turns for ever"
            );
        }
        at = at + Duration::from_millis(10);
    }
}

fn events(new_boot: bool) -> Vec<Event> {
    let command = |command| Event::Command {
        command,
        by: Actor {
            name: Some("Anna".into()),
            origin: Origin::Dashboard,
            right: Right::Owner,
            with: Vec::new(),
        },
    };
    let arm = |mode| Command::Arm { mode, force: true };
    vec![
        Event::Started(Started {
            new_boot,
            store: StoreFound::Restored,
            gap: Some(Duration::from_secs(60)),
            waiting: 1,
            arm_away: new_boot,
        }),
        Event::Reading(Reading::seen("hall", true)),
        Event::Reading(Reading::seen("kitchen gas", true)),
        Event::Tick,
        Event::Reading(Reading::seen("front door", true)),
        command(Command::Silence),
        Event::Reading(Reading::seen("kitchen gas", false)),
        Event::Reading(Reading::seen("hall", false)),
        command(Command::Acknowledge),
        Event::Lost {
            sensor: "kitchen gas".into(),
        },
        Event::TroubleRaised(Trouble {
            code: TroubleCode::Mqtt,
            subject: "broker".into(),
            text: "it is away".into(),
        }),
        command(Command::Disarm),
        command(arm(Mode::Night)),
        Event::Reading(Reading::seen("front door", false)),
        Event::Reading(Reading::seen("hall", true)),
        command(Command::Pause),
        Event::Reading(Reading::seen("front door", true)),
    ]
}

/// A waiting message, as the store keeps it; then it is delivered in another boot.
pub fn message(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let Ok(message) = Message::from_body(text) else {
        return;
    };
    let row = message.row(true);
    assert_eq!(Message::from_body(&row.body).ok().as_ref(), Some(&message));
    let mut at = BootTime::from_secs(1_000);
    let (happened, clock_set) = message.happened_at(&now(at));
    let told = Outgoing {
        notice: message.notice.clone(),
        site: "Home".into(),
        happened,
        now: now(at).wall,
        first_call: message.first_call_at(&now(at)),
        clock_set,
        photos: Vec::new(),
        photo_missing: message.photo_missing.clone(),
        message_id: message.message_id.clone(),
        in_reply_to: message.in_reply_to.clone(),
    };
    let words = Words::new(&told);
    assert!(!words.subject().contains(['\r', '\n']));
    let _ = (words.text(), words.html(), words.short(), words.late());
    let _ = asfaleia::notify::twiml(&words.spoken());

    let mut outbox = Outbox::new(Channels::from(house()), fastrand::Rng::with_seed(1));
    outbox.restore([message], &now(at));
    // Every way that a try can end, again and again, until it is settled or has no more to do.
    for turn in 0..100_u32 {
        let Some(due) = outbox.next_deadline() else {
            break;
        };
        if due == BootTime::from_nanos(u64::MAX) {
            break;
        }
        at = at.max(due);
        let (starts, _) = outbox.take_due(&now(at));
        for start in starts {
            let outcome = outcome(&start.job, turn);
            let _ = outbox.finished(start.id, outcome, &now(at));
        }
        let _ = outbox.waiting();
    }
}

fn outcome(job: &Job, turn: u32) -> Outcome {
    let why = || "no".to_owned();
    let later = || Failure::Temporary {
        why: why(),
        after: Some(Duration::from_secs(600)),
    };
    match (job, turn % 4) {
        (Job::Deliver, 3) => Outcome::Delivered(Ok(Delivered { reply: why() })),
        (Job::Deliver, _) => Outcome::Delivered(Err(later())),
        (Job::Place(_), 0) => Outcome::Placed(Err(PlaceFailure::Uncertain { why: why() })),
        (Job::Place(_), 1) => Outcome::Placed(Err(PlaceFailure::Temporary {
            why: why(),
            after: None,
        })),
        (Job::Place(_), _) => Outcome::Placed(Ok(CallSid("CA1".into()))),
        (Job::LookUp(..), 0) => Outcome::LookedUp(Err(later())),
        (Job::LookUp(..), 1) => Outcome::LookedUp(Ok(Vec::new())),
        (Job::LookUp(..), _) => Outcome::LookedUp(Ok(vec![CallSid("CA2".into())])),
        (Job::Poll(_), 0) => Outcome::Polled(Err(later())),
        (Job::Poll(_), turn) => Outcome::Polled(Ok(CallStatus {
            progress: if turn == 1 {
                Progress::Ringing
            } else {
                Progress::NoAnswer
            },
            by_machine: false,
        })),
    }
}
