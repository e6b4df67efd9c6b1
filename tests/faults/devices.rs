//! A cable that is pulled, a camera that stalls and vanishes, a part of the program that panics.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use asfaleia::alarm::{Event, TroubleCode};
use asfaleia::clock::SystemClock;
use asfaleia::inbox::Inbox;
use asfaleia::supervisor::{Pulses, Supervisor};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::Violations;
use crate::api::until;
use crate::home::Home;

#[test]
fn a_cable_that_is_pulled_in_the_middle_of_gas_leaves_the_fan_on_and_is_heard_again() {
    let violations = Violations::default();
    let home = Home::with(&[(
        "nodemcu = \"kitchen.gas\"",
        "nodemcu = \"kitchen.gas\"\nsilent-after = \"2s\"\nunwatched-call-after = \"2s\"",
    )]);
    let service = home.armed();
    let pulls = 3;
    for pull in 1..=pulls {
        home.gas(true);
        service.api.until_output("exhaust", true);
        home.faults(json!({ "nodemcu": "unplugged" }));
        service.api.until_trouble("node-gone");
        service.api.until_trouble("sensor-silent");
        violations.unless(service.api.output("exhaust"), || {
            format!("pull {pull}: silent is not clear, and the fan went off")
        });
        // Everything else is watched as before.
        service.api.pulse("hall");
        service.api.until_output("buzzer", true);
        home.gas(false);
        // Put back, it has another name.
        home.faults(json!({ "nodemcu": null }));
        service.api.until_no_trouble("node-gone");
        service.api.until_no_trouble("sensor-silent");
        service.api.until_output("exhaust", false);
    }
    violations.close(&format!("serial: cable pulled {pulls} times"));
}

/// Shows the picture beside it, unless a file beside it says what is wrong.
const CAMERA: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
[ -e gone ] && { echo "no camera" >&2; exit 1; }
[ -e stalled ] && exec sleep 600
exec cat picture.jpg
"#;

#[test]
fn a_camera_that_stalls_or_vanishes_holds_up_nothing_and_is_used_again_when_it_is_back() {
    use std::os::unix::fs::PermissionsExt;
    let violations = Violations::default();
    let home = Home::with(&[
        (
            "device = \"simulated\"\nwidth = 320\nheight = 240",
            "device = { command = [\"DIR/camera\"] }",
        ),
        ("gpio = 18\nwarm-up = \"0s\"", "simulated = true"),
    ]);
    let dir = home.dir.path();
    fs::write(dir.join("camera"), CAMERA).unwrap();
    fs::set_permissions(dir.join("camera"), PermissionsExt::from_mode(0o755)).unwrap();
    // A JPEG's first and last marker: nobody looks further.
    let picture = [&[0xFF, 0xD8, 0xFF, 0xE0], &[7; 2_000][..], &[0xFF, 0xD9]].concat();
    fs::write(dir.join("picture.jpg"), picture).unwrap();
    let service = home.armed();
    let attachments = |count: usize| {
        let mails = home.until_mails("ALARM motion in hall", count);
        mails[count - 1]["attachments"].as_array().unwrap().len()
    };
    let mut alarms = 0;
    let mut alarm = || {
        service.api.post("disarm", json!({}));
        until("the hall to be quiet", || {
            let hall = service.api.status()["sensors"][0]["state"] == "inactive";
            hall.then_some(())
        });
        service.api.post("arm", json!({}));
        let began = Instant::now();
        service.api.pulse("hall");
        service.api.until_output("buzzer", true);
        alarms += 1;
        (began.elapsed(), attachments(alarms))
    };
    for fault in ["stalled", "gone"] {
        let (_, photos) = alarm();
        violations.unless(photos > 0, || format!("before it is {fault}: no photo"));
        fs::write(dir.join(fault), "").unwrap();
        let (took, photos) = alarm();
        violations.unless(took < Duration::from_secs(4), || {
            format!("{fault}: the buzzer sounded after {took:?}")
        });
        violations.unless(photos == 0, || {
            format!("{fault}: a photo came from nowhere")
        });
        service.api.until_trouble("camera");
        fs::remove_file(dir.join(fault)).unwrap();
        let (_, photos) = alarm();
        violations.unless(photos > 0, || format!("after it was {fault}: no photo"));
        service.api.until_no_trouble("camera");
    }
    violations.close(&format!("camera: 2 faults, {alarms} alarms"));
}

/// The built program has no way to be made to panic: its supervisor is what starts its parts.
#[test]
fn a_part_that_panics_is_started_again_alone() {
    let violations = Violations::default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (inbox, letters) = Inbox::new(SystemClock::shared());
    let runs = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let pulses = Pulses::new(inbox.clone());
        let mut supervisor = Supervisor::new(inbox, pulses, stop.clone());
        for (index, name) in ["one that panics", "its neighbour"].into_iter().enumerate() {
            let runs = runs.clone();
            supervisor.spawn(name, move || {
                let run = runs[index].fetch_add(1, Ordering::Relaxed);
                async move {
                    assert!(index == 1 || run >= 2, "it panics in its first two runs");
                    std::future::pending::<()>().await;
                    Ok(())
                }
            });
        }
        until("the third run", || {
            (runs[0].load(Ordering::Relaxed) == 3).then_some(())
        });
        stop.cancel();
        supervisor.stopped(Duration::from_secs(2)).await;
    });
    let troubles = letters.try_iter().filter(|letter| {
        matches!(&letter.event, Event::TroubleRaised(trouble)
            if trouble.code == TroubleCode::TaskFailed && trouble.subject == "one that panics")
    });
    let troubles = troubles.count();
    violations.unless(troubles == 2, || format!("{troubles} troubles"));
    let neighbour = runs[1].load(Ordering::Relaxed);
    violations.unless(neighbour == 1, || {
        format!("its neighbour ran {neighbour} times")
    });
    violations.close("tasks: 2 panics");
}
