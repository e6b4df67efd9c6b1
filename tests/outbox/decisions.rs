//! The pure part: who gets what, when it is tried again, what the panel is told.

use std::time::Duration;

use asfaleia::alarm::{Action, BootTime, Event, Notice, PhotoId, TroubleCode};
use asfaleia::clock::{Stamp, WallTime};
use asfaleia::notify::Failure;
use asfaleia::outbox::{
    AddressBook, Changes, Channels, Job, Message, Outbox, Outcome, Recipient, Start,
};

use crate::world::{
    BOOT, DAY, INCIDENT, WALL, alarm, all_clear, book, call, channels, delivered, later,
};

fn at(after: Duration) -> Stamp {
    Stamp {
        boot: BOOT + after,
        wall: WallTime(WALL.0 + i64::try_from(after.as_millis()).unwrap()),
        boot_id: "first".into(),
    }
}

const ZERO: Duration = Duration::ZERO;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn outbox() -> Outbox {
    Outbox::new(channels(), fastrand::Rng::with_seed(3))
}

/// One mail to Anna.
fn mail(notice: Notice) -> Message {
    book().rows(&Action::Send(notice), &at(ZERO)).remove(0)
}

fn start(outbox: &mut Outbox, now: &Stamp) -> Vec<Start> {
    outbox.take_due(now).0
}

fn fail(outbox: &mut Outbox, id: u64, failure: Failure, now: &Stamp) -> Changes {
    outbox.finished(id, Outcome::Delivered(Err(failure)), now)
}

fn troubles(changes: &Changes) -> Vec<(TroubleCode, &str, bool)> {
    (changes.events.iter())
        .filter_map(|event| match event {
            Event::TroubleRaised(trouble) => Some((trouble.code, &*trouble.subject, true)),
            Event::TroubleCleared { code, subject } => Some((*code, &**subject, false)),
            _ => None,
        })
        .collect()
}

#[test]
fn every_contact_and_webhook_gets_a_row_and_the_ladder_one_for_all() {
    let mut book = book();
    let sent = book.rows(&Action::Send(alarm(BOOT)), &at(ZERO));
    let to: Vec<_> = sent
        .iter()
        .map(|row| row.to.path() + row.to.name())
        .collect();
    assert_eq!(to, ["emailAnna", "emailBob", "webhook:ntfyntfy"]);
    let called = book.rows(&call(BOOT, 2), &at(ZERO));
    assert_eq!(called.len(), 1);
    assert_eq!(called[0].to, Recipient::Phone);
    let ids: Vec<u64> = sent.iter().chain(&called).map(|row| row.id).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    assert_eq!(book.next_id(), 5);
}

#[test]
fn the_first_mail_of_an_incident_begins_a_thread_that_survives_a_restart() {
    let mut first = book();
    let roots = first.rows(&Action::Send(alarm(BOOT)), &at(ZERO));
    let threads = serde_json::to_string(first.threads()).unwrap();
    let threads = serde_json::from_str(&threads).unwrap();

    let mut second = AddressBook::new(channels(), threads, 10, fastrand::Rng::with_seed(9));
    let replies = second.rows(&Action::Send(all_clear(BOOT)), &at(secs(60)));
    for (root, reply) in roots.iter().zip(&replies).take(2) {
        assert_eq!(root.in_reply_to, None);
        assert_eq!(reply.in_reply_to.as_ref(), Some(&root.message_id));
        assert_ne!(reply.message_id, root.message_id);
    }
    assert_ne!(
        roots[0].message_id, roots[1].message_id,
        "one for each contact"
    );
}

#[test]
fn an_incident_whose_number_was_used_before_has_another_message_id() {
    let lost = book().rows(&Action::Send(alarm(BOOT)), &at(ZERO));
    let mut again = AddressBook::new(
        channels(),
        serde_json::from_str("{}").unwrap(),
        1,
        fastrand::Rng::with_seed(99),
    );
    let again = again.rows(&Action::Send(alarm(BOOT)), &at(ZERO));
    assert_eq!(lost[0].id, again[0].id);
    assert_ne!(lost[0].message_id, again[0].message_id);
}

#[test]
fn a_mail_is_retried_ever_more_slowly_and_given_up_after_a_day() {
    let mut outbox = outbox();
    outbox.accept([mail(all_clear(BOOT))]);
    let (mut now, mut pauses, mut raised) = (at(ZERO), Vec::new(), Vec::new());
    let last = loop {
        let starts = start(&mut outbox, &now);
        assert_eq!(starts.len(), 1);
        let changes = fail(&mut outbox, starts[0].id, later("421 down"), &now);
        for (code, subject, _) in troubles(&changes) {
            raised.push((code, subject.to_owned(), pauses.len()));
        }
        let Some(next) = outbox.next_deadline() else {
            break changes;
        };
        pauses.push(now.boot.until(next));
        now = at(BOOT.until(next));
    };
    assert!((4..=6).contains(&pauses[0].as_secs()), "{pauses:?}");
    assert!((8..=12).contains(&pauses[1].as_secs()), "{pauses:?}");
    let longest = pauses.iter().max().unwrap();
    assert!((720..=1080).contains(&longest.as_secs()), "{longest:?}");
    assert_eq!(now.boot, BOOT + DAY, "one last try at the end");
    assert!(!last.update.messages[0].waiting);
    let expected = [
        (TroubleCode::Mail, String::new(), 2),
        (TroubleCode::GivenUp, "Anna".into(), pauses.len()),
    ];
    assert_eq!(raised, expected);
}

#[test]
fn many_that_fail_together_do_not_come_back_together() {
    let mut outbox = outbox();
    let mut book = book();
    outbox.accept(book.rows(&Action::Send(alarm(BOOT)), &at(ZERO)));
    for start in start(&mut outbox, &at(ZERO)) {
        fail(&mut outbox, start.id, later("down"), &at(ZERO));
    }
    let first = outbox.next_deadline().unwrap();
    assert_eq!(start(&mut outbox, &at(BOOT.until(first))).len(), 1);
}

#[test]
fn a_server_that_asks_for_five_minutes_gets_them() {
    let mut outbox = outbox();
    outbox.accept([mail(alarm(BOOT))]);
    let id = start(&mut outbox, &at(ZERO))[0].id;
    let failure = Failure::Temporary {
        why: "535".into(),
        after: Some(secs(300)),
    };
    let changes = fail(&mut outbox, id, failure, &at(ZERO));
    assert_eq!(outbox.next_deadline(), Some(BOOT + secs(300)));
    let told = [(TroubleCode::Mail, "", true)];
    assert_eq!(troubles(&changes), told, "nobody waits for it unknowing");
}

#[test]
fn what_was_held_up_leaves_as_soon_as_something_gets_through() {
    let mut outbox = outbox();
    let mut book = book();
    let mut mails = book.rows(&Action::Send(alarm(BOOT)), &at(ZERO));
    mails.truncate(2);
    outbox.accept(mails);
    let starts = start(&mut outbox, &at(ZERO));
    fail(&mut outbox, starts[0].id, later("down"), &at(ZERO));
    outbox.finished(
        starts[1].id,
        Outcome::Delivered(Ok(delivered())),
        &at(secs(1)),
    );
    let held_up = start(&mut outbox, &at(secs(1)));
    assert_eq!(held_up.len(), 1);
    assert_eq!(held_up[0].id, starts[0].id);
}

#[test]
fn a_refusal_is_a_trouble_that_names_the_reply_and_the_next_delivery_clears_it() {
    let mut outbox = outbox();
    outbox.accept([mail(alarm(BOOT))]);
    let id = start(&mut outbox, &at(ZERO))[0].id;
    let why = "550 no such user".to_owned();
    let changes = fail(&mut outbox, id, Failure::Permanent { why }, &at(ZERO));
    assert!(!changes.update.messages[0].waiting);
    assert_eq!(outbox.next_deadline(), None, "not tried again");
    let [Event::TroubleRaised(trouble)] = &*changes.events else {
        panic!("{changes:?}");
    };
    assert_eq!(
        (trouble.code, &*trouble.subject),
        (TroubleCode::Mail, "Anna")
    );
    assert!(
        trouble.text.contains("550 no such user"),
        "{}",
        trouble.text
    );

    outbox.accept([mail(all_clear(BOOT))]);
    let id = start(&mut outbox, &at(secs(1)))[0].id;
    let changes = outbox.finished(id, Outcome::Delivered(Ok(delivered())), &at(secs(1)));
    assert!(troubles(&changes).contains(&(TroubleCode::Mail, "Anna", false)));
    assert_eq!(changes.update.proven, ["email", "email:Anna"]);
}

#[test]
fn the_same_trouble_is_told_once() {
    let mut outbox = outbox();
    outbox.accept([mail(alarm(BOOT))]);
    let mut told = 0;
    for _ in 0..10 {
        let now = at(BOOT.until(outbox.next_deadline().unwrap()));
        let id = start(&mut outbox, &now)[0].id;
        told += troubles(&fail(&mut outbox, id, later("down"), &now)).len();
    }
    assert_eq!(told, 1);
}

#[test]
fn a_restart_within_the_boot_changes_no_deadline_and_no_message_id() {
    let mut before = outbox();
    before.accept([mail(alarm(BOOT))]);
    let id = start(&mut before, &at(ZERO))[0].id;
    let saved = fail(&mut before, id, later("down"), &at(secs(1)));
    let body = &saved.update.messages[0].body;

    let mut after = outbox();
    after.restore([Message::from_body(body).unwrap()], &at(secs(3)));
    assert_eq!(after.next_deadline(), before.next_deadline());
    let now = at(BOOT.until(after.next_deadline().unwrap()));
    let (one, other) = (start(&mut before, &now), start(&mut after, &now));
    assert_eq!(one[0].message, other[0].message);
}

#[test]
fn another_boot_leaves_what_was_left_and_remembers_when_it_happened() {
    let mut message = mail(alarm(BOOT));
    message.attempts = 4;
    message.saved = at(secs(3_600));
    message.next_at = BOOT + secs(3_630);
    let boot = Stamp {
        boot: BootTime::from_secs(9),
        wall: WallTime(WALL.0 + 9_000_000),
        boot_id: "second".into(),
    };
    let mut outbox = outbox();
    outbox.restore([message], &boot);
    assert_eq!(outbox.next_deadline(), Some(BootTime::from_secs(39)));
    let then = Stamp {
        boot: BootTime::from_secs(39),
        ..boot.clone()
    };
    let started = start(&mut outbox, &then).remove(0);
    assert_eq!(started.message.expires, boot.boot + (DAY - secs(3_600)));
    assert_eq!(started.message.happened_at(&boot), (WALL, true));
}

#[test]
fn another_boot_does_not_wait_for_what_a_server_asked_for_in_the_last_one() {
    let mut message = mail(alarm(BOOT));
    message.attempts = 1;
    message.next_at = BOOT + secs(7_200);
    let boot = Stamp {
        boot_id: "second".into(),
        ..at(ZERO)
    };
    let mut other = outbox();
    other.restore([message.clone()], &boot);
    assert!(other.next_deadline().unwrap() <= BOOT + secs(6));
    let mut same = outbox();
    same.restore([message], &at(ZERO));
    assert_eq!(same.next_deadline(), Some(BOOT + secs(7_200)));
}

#[test]
fn a_time_from_before_the_clock_was_set_is_corrected_within_its_boot() {
    let unset = Stamp {
        wall: WallTime(5_000),
        ..at(ZERO)
    };
    let message = book().rows(&Action::Send(alarm(BOOT)), &unset).remove(0);
    assert_eq!(message.happened_at(&unset), (WallTime(5_000), false));
    assert_eq!(message.happened_at(&at(secs(60))), (WALL, true));
    let elsewhere = Stamp {
        boot_id: "second".into(),
        ..at(secs(60))
    };
    assert!(!message.happened_at(&elsewhere).1);
}

#[test]
fn what_has_no_way_any_more_is_given_up_with_the_reason() {
    let mut outbox = outbox();
    let mut book = book();
    outbox.accept(book.rows(&Action::Send(alarm(BOOT)), &at(ZERO)));
    for start in start(&mut outbox, &at(ZERO)) {
        fail(&mut outbox, start.id, later("down"), &at(ZERO));
    }
    outbox.reconfigure(
        Channels {
            emails: vec!["Anna".into()],
            webhooks: Vec::new(),
            ..channels()
        },
        BOOT + secs(1),
    );
    let (starts, changes) = outbox.take_due(&at(secs(1)));
    assert_eq!(starts.len(), 1, "Anna's is tried at once");
    let expected = [
        (TroubleCode::GivenUp, "Bob", true),
        (TroubleCode::GivenUp, "ntfy", true),
    ];
    assert_eq!(troubles(&changes), expected);
    assert!(changes.update.messages.iter().all(|row| !row.waiting));
}

#[test]
fn a_photo_that_comes_while_the_mail_waits_for_its_next_try_is_attached() {
    let mut outbox = outbox();
    outbox.accept([mail(Notice {
        wait_for_photo: Some(BOOT + secs(5)),
        ..alarm(BOOT)
    })]);
    assert!(start(&mut outbox, &at(ZERO)).is_empty(), "it waits");
    let late = start(&mut outbox, &at(secs(5))).remove(0);
    let why = late.message.photo_missing.as_deref();
    assert_eq!(why, Some("the camera gave no photo within 5 s"));
    outbox.attach(INCIDENT, &Ok(PhotoId(3)), &at(secs(6)));
    fail(&mut outbox, late.id, later("down"), &at(secs(7)));
    outbox.attach(INCIDENT, &Ok(PhotoId(4)), &at(secs(8)));
    let again = start(&mut outbox, &at(secs(60))).remove(0);
    assert_eq!(again.message.photos, [PhotoId(3)], "the first one only");
    assert_eq!(again.message.photo_missing, None);
}

#[test]
fn a_backlog_that_hangs_holds_up_neither_an_alarm_nor_its_call() {
    let mut outbox = outbox();
    let mut book = book();
    for _ in 0..20 {
        outbox.accept(book.rows(&Action::Send(all_clear(BOOT)), &at(ZERO)));
    }
    assert_eq!(start(&mut outbox, &at(ZERO)).len(), 16);
    assert_eq!(
        outbox.next_deadline(),
        None,
        "the rest has no room: no busy loop"
    );
    outbox.accept(book.rows(&Action::Send(alarm(BOOT)), &at(ZERO)));
    outbox.accept(book.rows(&call(BOOT, 1), &at(ZERO)));
    let starts = start(&mut outbox, &at(ZERO));
    assert_eq!(starts.len(), 4);
    assert!(starts.iter().any(|it| matches!(it.job, Job::Place(_))));
    assert_eq!(outbox.waiting().count, 64);
}

#[test]
fn alarms_go_first() {
    let mut outbox = outbox();
    let mut book = book();
    outbox.accept(book.rows(&Action::Send(all_clear(BOOT)), &at(ZERO)));
    outbox.accept(book.rows(&Action::Send(alarm(BOOT)), &at(ZERO)));
    let ids: Vec<u64> = start(&mut outbox, &at(ZERO))
        .iter()
        .map(|it| it.id)
        .collect();
    assert_eq!(ids, [4, 5, 6, 1, 2, 3]);
}
