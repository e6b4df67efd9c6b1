//! The running outbox on tokio's paused clock: mails and webhooks.

use std::time::Duration;

use asfaleia::alarm::{Action, Notice, PhotoId};
use asfaleia::outbox::{Command, Message};

use crate::world::{Answer, BOOT, DAY, INCIDENT, Seen, World, alarm, all_clear, call};

const ZERO: Duration = Duration::ZERO;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[tokio::test(start_paused = true)]
async fn everything_is_made_ready_at_once_and_leaves_when_the_commit_is_confirmed() {
    let mut world = World::new();
    world.accept(&[Action::Send(alarm(BOOT)), call(BOOT, 1)], ms(7));
    let mut prepared = 0;
    let mut left = Vec::new();
    while left.len() < 4 {
        match world.seen().await {
            (at, Seen::PrepareEmail(2) | Seen::PreparePhone) => {
                assert_eq!(at, ZERO);
                prepared += 1;
            }
            (at, seen) => {
                assert!((ms(7)..=ms(8)).contains(&at), "{at:?} {seen:?}");
                left.push(seen);
            }
        }
    }
    assert_eq!(prepared, 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_holds_a_message_up_for_20_ms_and_no_longer() {
    let mut world = World::new();
    world.accept(&[Action::Send(alarm(BOOT)), call(BOOT, 1)], DAY);
    for _ in 0..4 {
        let (at, seen) = world.tried().await;
        assert!((ms(19)..=ms(20)).contains(&at), "{at:?} {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_mail_delays_neither_the_call_nor_the_other_mail() {
    let mut world = World::new();
    world.answers().mail = [Answer::Hang, Answer::Hang].into();
    world.accept(&[Action::Send(alarm(BOOT)), call(BOOT, 1)], ZERO);
    let mut tried = Vec::new();
    for _ in 0..4 {
        let (at, seen) = world.tried().await;
        assert!(at <= ms(1), "{at:?}");
        tried.push(seen);
    }
    assert!(tried.iter().any(|seen| matches!(seen, Seen::Place(_))));
    assert!((tried.iter()).any(|seen| matches!(seen, Seen::Webhook(name) if name == "ntfy")));
    for contact in ["Anna", "Bob"] {
        assert!((tried.iter()).any(|seen| matches!(seen, Seen::Mail(to, _) if to == contact)));
    }
}

#[tokio::test(start_paused = true)]
async fn the_mail_leaves_with_its_photo_as_soon_as_there_is_one() {
    let mut world = World::new();
    world.accept(&[waiting_for_photo()], ZERO);
    assert!(matches!(world.tried().await.1, Seen::Webhook(_)));
    world.quiet(ms(300)).await;
    world.tell(Command::Attach {
        incident: INCIDENT,
        photo: Ok(PhotoId(1)),
    });
    for _ in 0..2 {
        let (at, Seen::Mail(_, mail)) = world.tried().await else {
            panic!("expected a mail");
        };
        assert!((ms(300)..ms(302)).contains(&at), "{at:?}");
        assert_eq!(mail.photos[0].id, PhotoId(1));
        assert_eq!(mail.photo_missing, None);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_photo_the_mail_leaves_after_5_s_and_says_why() {
    let mut world = World::new();
    world.accept(&[waiting_for_photo()], ZERO);
    assert!(matches!(world.tried().await.1, Seen::Webhook(_)));
    let (at, Seen::Mail(_, mail)) = world.tried().await else {
        panic!("expected a mail");
    };
    assert!((secs(5)..=ms(5_001)).contains(&at), "{at:?}");
    assert!(mail.photo_missing.unwrap().contains("within 5 s"));
}

#[tokio::test(start_paused = true)]
async fn a_broken_camera_is_not_waited_for() {
    let mut world = World::new();
    world.accept(&[waiting_for_photo()], ZERO);
    world.tell(Command::Attach {
        incident: INCIDENT,
        photo: Err("the camera is gone".into()),
    });
    let mut mails = 0;
    while mails < 2 {
        if let (at, Seen::Mail(_, mail)) = world.tried().await {
            assert!(at <= ms(1), "{at:?}");
            assert_eq!(mail.photo_missing.as_deref(), Some("the camera is gone"));
            mails += 1;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_restored_after_a_crash_carries_the_same_message_id() {
    let mut world = World::new();
    world.answers().mail = [Answer::Hang, Answer::Hang].into();
    let rows = {
        let now = asfaleia::clock::Stamp::now(&*world.clock);
        world.book.rows(&Action::Send(alarm(BOOT)), &now)
    };
    let stored: Vec<_> = rows.iter().map(|row| row.row(true).body).collect();
    world.tell(Command::Accept {
        rows,
        receipt: None,
    });
    let first = loop {
        if let Seen::Mail(_, mail) = world.tried().await.1 {
            break mail;
        }
    };
    world.task.abort();

    let mut world = World::with(|outbox, now| {
        let rows = stored.iter().map(|body| Message::from_body(body).unwrap());
        outbox.restore(rows, now);
        assert_eq!(outbox.waiting().count, 3);
    });
    let (_, Seen::Mail(_, again)) = world.tried().await else {
        panic!("expected a mail");
    };
    assert_eq!(first.message_id, again.message_id);
}

#[tokio::test(start_paused = true)]
async fn a_bug_in_a_path_costs_one_try_not_the_message() {
    let mut world = World::new();
    world.answers().mail = [Answer::Panic].into();
    let mut rows = {
        let now = asfaleia::clock::Stamp::now(&*world.clock);
        world.book.rows(&Action::Send(all_clear(BOOT)), &now)
    };
    rows.truncate(1);
    world.tell(Command::Accept {
        rows,
        receipt: None,
    });
    for _ in 0..2 {
        assert!(matches!(world.tried().await.1, Seen::Mail(..)));
    }
    world.quiet(DAY).await;
    assert_eq!(
        world.ledger.outcomes(),
        ["email Anna retrying", "email Anna delivered"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_ordered_stop_lets_what_is_under_way_finish() {
    let mut world = World::new();
    world.accept(&[Action::Send(alarm(BOOT))], ms(10));
    assert!(matches!(world.seen().await.1, Seen::PrepareEmail(2)));
    let World {
        commands,
        task,
        ledger,
        ..
    } = world;
    drop(commands);
    task.await.unwrap();
    assert_eq!(ledger.outcomes().len(), 3);
}

fn waiting_for_photo() -> Action {
    Action::Send(Notice {
        wait_for_photo: Some(BOOT + secs(5)),
        ..alarm(BOOT)
    })
}
