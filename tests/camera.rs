//! The camera as the panel sees it: real threads, real files, real programs and sockets.

#![allow(clippy::unwrap_used)] // The helpers of a test are test code too.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use asfaleia::alarm::{Event, IncidentId, PhotoId, TroubleCode};
use asfaleia::camera::{
    Camera, CameraError, CameraFault, Device, FaultSwitch, Frame, Open, PhotoShelf, Timing,
};
use asfaleia::clock::{SharedClock, Stamp, SystemClock};
use asfaleia::config::{self, CameraDevice};
use asfaleia::inbox::{Inbox, Letter};

/// Longer than anything here takes: a test that gets there fails.
const DEADLINE: Duration = Duration::from_secs(60);

struct House {
    camera: Camera,
    events: Receiver<Letter>,
    shelf: PhotoShelf,
    fault: FaultSwitch,
    directory: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl House {
    fn with(device: CameraDevice, width: u32, height: u32) -> House {
        House::build(|inbox, shelf, fault, runtime| {
            let config = config::Camera {
                device,
                width,
                height,
                burst: 3,
                pre_roll: Duration::ZERO,
            };
            Camera::start(&config, inbox, shelf, PhotoId(1), fault, runtime).unwrap()
        })
    }

    /// A camera whose pictures are its own words.
    fn with_device(timing: Timing, open: Open) -> House {
        House::build(|inbox, shelf, _, _| {
            Camera::start_with(open, timing, inbox, shelf, PhotoId(1))
        })
    }

    fn build(
        start: impl FnOnce(Inbox, PhotoShelf, FaultSwitch, tokio::runtime::Handle) -> Camera,
    ) -> House {
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (inbox, events) = Inbox::new(SystemClock::shared());
        let shelf = PhotoShelf::new(directory.path().join("photos"));
        let fault = FaultSwitch::default();
        let camera = start(
            inbox,
            shelf.clone(),
            fault.clone(),
            runtime.handle().clone(),
        );
        House {
            camera,
            events,
            shelf,
            fault,
            directory,
            _runtime: runtime,
        }
    }

    fn take(&self, count: u32) {
        self.camera.handle().take(IncidentId(7), count);
    }

    fn next(&self) -> Event {
        let letter = self.events.recv_timeout(DEADLINE);
        letter.expect("the camera says something").event
    }

    /// The next photo's number and bytes.
    fn photo(&self) -> (PhotoId, Arc<[u8]>) {
        match self.next() {
            Event::PhotoTaken { incident, photo } => {
                assert_eq!(incident, IncidentId(7));
                (photo, self.shelf.jpeg(photo).unwrap().1)
            }
            other => panic!("no photo but {other:?}"),
        }
    }

    /// Why the next photo failed, past the trouble that says so too.
    fn failure(&self) -> String {
        match self.next() {
            Event::TroubleRaised(trouble) => {
                assert_eq!(trouble.code, TroubleCode::Camera);
                match self.next() {
                    Event::PhotoFailed { why, .. } => {
                        assert_eq!(why, trouble.text);
                        why
                    }
                    other => panic!("no failure but {other:?}"),
                }
            }
            other => panic!("no trouble but {other:?}"),
        }
    }
}

/// Walks a JPEG's segments to its frame header: (width, height). Fails on what is no JPEG.
fn dimensions(jpeg: &[u8]) -> (u16, u16) {
    assert!(jpeg.starts_with(&[0xFF, 0xD8]) && jpeg.ends_with(&[0xFF, 0xD9]));
    let word = |at: usize| u16::from_be_bytes([jpeg[at], jpeg[at + 1]]);
    let mut at = 2;
    loop {
        assert_eq!(jpeg[at], 0xFF, "a segment begins at {at}");
        if jpeg[at + 1] == 0xC0 {
            return (word(at + 7), word(at + 5));
        }
        at += 2 + usize::from(word(at + 2));
    }
}

#[test]
fn a_burst_of_the_simulated_camera_is_there_at_once_and_on_disk_soon() {
    let house = House::with(CameraDevice::Simulated, 640, 480);
    let asked = Instant::now();
    house.take(3);
    let (first, jpeg) = house.photo();
    // Not with the last; a busy machine takes its time.
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert_eq!(first, PhotoId(1));
    assert_eq!(dimensions(&jpeg), (640, 480));
    assert!(
        (45_000..75_000).contains(&jpeg.len()),
        "{} bytes",
        jpeg.len()
    );
    let (_, second) = house.photo();
    let (_, third) = house.photo();
    let lasted = asked.elapsed();
    assert!(lasted >= Duration::from_secs(2), "{lasted:?}");
    assert!(jpeg != second && second != third && jpeg != third);

    let (shelf, directory) = (house.shelf.clone(), house.directory);
    house.camera.stop();
    assert_eq!(std::fs::read(shelf.path(first)).unwrap(), &*jpeg);
    let files = std::fs::read_dir(directory.path().join("photos")).unwrap();
    assert_eq!(files.count(), 3, "nothing but three photos");
}

#[test]
fn the_simulated_camera_obeys_the_size_and_never_repeats_itself() {
    for (width, height) in [(1, 1), (33, 17), (320, 240), (1280, 720)] {
        let house = House::with(CameraDevice::Simulated, width, height);
        house.take(1);
        let (_, jpeg) = house.photo();
        assert_eq!(dimensions(&jpeg), (width as u16, height as u16));
    }
    let mut seen = std::collections::HashSet::new();
    let house = House::with(CameraDevice::Simulated, 160, 120);
    for _ in 0..40 {
        house.take(1);
        assert!(seen.insert(house.photo().1.to_vec()), "a photo twice");
    }
}

#[test]
fn a_simulated_camera_that_is_gone_says_so_and_comes_back() {
    let house = House::with(CameraDevice::Simulated, 64, 48);
    house.fault.set(Some(CameraFault::Gone));
    house.take(1);
    assert_eq!(house.failure(), "the camera is gone: check its cable");
    house.fault.set(None);
    house.take(1);
    assert!(matches!(
        house.next(),
        Event::TroubleCleared {
            code: TroubleCode::Camera,
            ..
        }
    ));
    assert_eq!(house.photo().0, PhotoId(1), "a failure takes no number");
}

#[test]
fn a_stalled_camera_fails_before_the_mail_would_leave_without_a_reason() {
    let house = House::with(CameraDevice::Simulated, 64, 48);
    house.fault.set(Some(CameraFault::Stalled));
    let asked = Instant::now();
    house.take(1);
    let why = house.failure();
    assert!(why.contains("no picture within"), "{why}");
    // Four seconds, on a busy machine more.
    assert!(asked.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_stalled_camera_that_wakes_up_in_time_still_gives_the_photo() {
    let house = House::with(CameraDevice::Simulated, 64, 48);
    house.fault.set(Some(CameraFault::Stalled));
    house.take(1);
    assert!(
        house
            .events
            .recv_timeout(Duration::from_millis(100))
            .is_err()
    );
    house.fault.set(None);
    assert_eq!(house.photo().0, PhotoId(1));
}

#[test]
fn a_test_photo_is_answered_and_is_no_event() {
    let house = House::with(CameraDevice::Simulated, 64, 48);
    let answer = house.camera.handle().test().blocking_recv().unwrap();
    let id = answer.unwrap();
    assert!(house.shelf.in_memory(id).is_some());
    house.fault.set(Some(CameraFault::Gone));
    let answer = house.camera.handle().test().blocking_recv().unwrap();
    assert_eq!(answer.unwrap_err(), "the camera is gone: check its cable");
    assert!(matches!(house.next(), Event::TroubleRaised(_)));
    assert!(house.events.try_recv().is_err());
}

/// Gives its own count as a picture; counts how often it was opened.
struct Counting {
    clock: SharedClock,
    pictures: Arc<AtomicU32>,
}

impl Device for Counting {
    fn frame(&mut self, _: Duration) -> Result<Frame, CameraError> {
        let n = self.pictures.fetch_add(1, Ordering::SeqCst);
        Ok(Frame {
            jpeg: n.to_be_bytes().to_vec().into(),
            taken: Stamp::now(&*self.clock),
        })
    }
}

fn counting(opened: Arc<AtomicU32>, pictures: Arc<AtomicU32>) -> Open {
    Box::new(move || {
        opened.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Counting {
            clock: SystemClock::shared(),
            pictures: pictures.clone(),
        }))
    })
}

/// Fails once, as a driver with a mistake in it does.
struct Panicking(Arc<AtomicU32>, Counting);

impl Device for Panicking {
    fn frame(&mut self, patience: Duration) -> Result<Frame, CameraError> {
        assert!(
            self.0.fetch_add(1, Ordering::SeqCst) > 0,
            "the driver's mistake"
        );
        self.1.frame(patience)
    }
}

#[test]
fn a_driver_that_panics_costs_one_photo_and_the_next_is_taken() {
    let frames = Arc::<AtomicU32>::default();
    let open: Open = Box::new(move || {
        let counting = Counting {
            clock: SystemClock::shared(),
            pictures: Arc::default(),
        };
        Ok(Box::new(Panicking(frames.clone(), counting)))
    });
    let house = House::with_device(Timing::default(), open);
    house.take(1);
    let why = house.failure();
    assert!(why.contains("driver failed"), "{why}");
    house.take(1);
    assert!(matches!(house.next(), Event::TroubleCleared { .. }));
    assert_eq!(house.photo().0, PhotoId(1));
}

#[test]
fn a_second_incident_does_not_wait_for_the_first_ones_burst() {
    let opened = Arc::new(AtomicU32::new(0));
    let timing = Timing {
        spread: Duration::from_secs(60),
        ..Timing::default()
    };
    let house = House::with_device(timing, counting(opened.clone(), Arc::default()));
    house.camera.handle().take(IncidentId(1), 3);
    house.camera.handle().take(IncidentId(2), 1);
    for expected in [1, 2] {
        match house.next() {
            Event::PhotoTaken { incident, .. } => assert_eq!(incident, IncidentId(expected)),
            other => panic!("no photo but {other:?}"),
        }
    }
    assert_eq!(opened.load(Ordering::SeqCst), 1, "still open for the burst");
    // It ends now, with photos due in a minute.
    let stopped = Instant::now();
    house.camera.stop();
    assert!(stopped.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_burst_keeps_the_spread_and_the_camera_is_closed_after_it() {
    let opened = Arc::new(AtomicU32::new(0));
    let timing = Timing {
        spread: Duration::from_millis(300),
        ..Timing::default()
    };
    let house = House::with_device(timing, counting(opened.clone(), Arc::default()));
    let asked = SystemClock::shared().boot();
    house.take(4);
    for n in 0..4 {
        let (id, _) = house.photo();
        let after = house.shelf.in_memory(id).unwrap().taken.boot.since(asked);
        assert!(after >= Duration::from_millis(100) * n, "{n}: {after:?}");
    }
    house.take(1);
    house.photo();
    assert_eq!(opened.load(Ordering::SeqCst), 2);
}

#[test]
fn with_pre_roll_the_newest_frame_from_before_comes_first() {
    let (opened, pictures) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let timing = Timing {
        pre_roll: Duration::from_secs(5),
        ..Timing::default()
    };
    let house = House::with_device(timing, counting(opened.clone(), pictures.clone()));
    let begun = Instant::now();
    while pictures.load(Ordering::SeqCst) < 2 {
        assert!(begun.elapsed() < DEADLINE, "no frames are kept");
        std::thread::yield_now();
    }
    let triggered = SystemClock::shared().boot();
    house.take(1);
    let (before, picture) = house.photo();
    let newest = u32::from_be_bytes(picture[..].try_into().unwrap());
    assert!(newest >= 1, "the newest of at least two, not {newest}");
    assert!(house.shelf.in_memory(before).unwrap().taken.boot <= triggered);
    let (live, _) = house.photo();
    assert!(house.shelf.in_memory(live).unwrap().taken.boot >= triggered);
    assert_eq!(opened.load(Ordering::SeqCst), 1, "it stays open");
}

#[test]
fn a_disk_that_refuses_photos_delays_none_and_is_a_trouble() {
    let house = House::with(CameraDevice::Simulated, 64, 48);
    // A file where the directory should be.
    std::fs::write(house.directory.path().join("photos"), "").unwrap();
    house.take(1);
    let (id, jpeg) = house.photo();
    match house.next() {
        Event::TroubleRaised(trouble) => assert_eq!(trouble.code, TroubleCode::Store),
        other => panic!("no trouble but {other:?}"),
    }
    assert_eq!(house.shelf.jpeg(id).unwrap().1, jpeg, "still in memory");
    std::fs::remove_file(house.directory.path().join("photos")).unwrap();
    house.take(1);
    house.photo();
    assert!(matches!(
        house.next(),
        Event::TroubleCleared {
            code: TroubleCode::Store,
            ..
        }
    ));
}

#[test]
fn a_webcam_that_is_not_there_says_so_and_what_mends_it() {
    let (inbox, _events) = Inbox::new(SystemClock::shared());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let no_camera = directory.path().join("video0");
    std::fs::write(&no_camera, "a file").unwrap();
    for (path, mends) in [
        (directory.path().join("video7"), "is it plugged in?"),
        (no_camera, "check its cable"),
    ] {
        let config = config::Camera {
            device: CameraDevice::Path(path),
            width: 640,
            height: 480,
            burst: 3,
            pre_roll: Duration::ZERO,
        };
        let shelf = PhotoShelf::new("nowhere");
        let (fault, handle) = (FaultSwitch::default(), runtime.handle().clone());
        let camera = Camera::start(&config, inbox.clone(), shelf, PhotoId(1), fault, handle);
        let camera = camera.unwrap();
        let answer = camera.handle().test();
        let why = runtime.block_on(answer).unwrap().unwrap_err();
        assert!(why.contains("opening it") && why.contains(mends), "{why}");
        camera.stop();
    }
}

/// A shell script in this directory, as a `command`.
fn script(directory: &Path, text: &str) -> CameraDevice {
    let path: PathBuf = directory.join("camera.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    CameraDevice::Command(vec!["/bin/sh".into(), path.display().to_string()])
}

const TINY: &str = r"printf '\377\330tiny\377\331'";

#[test]
fn a_commands_output_is_the_photo() {
    let directory = tempfile::tempdir().unwrap();
    let house = House::with(script(directory.path(), TINY), 640, 480);
    house.take(1);
    assert_eq!(&*house.photo().1, b"\xff\xd8tiny\xff\xd9");
}

#[test]
fn a_command_that_fails_is_quoted_by_its_last_word() {
    let directory = tempfile::tempdir().unwrap();
    for (text, expected) in [
        (
            "echo first >&2; echo no camera found >&2; exit 3",
            "saying: no camera found",
        ),
        ("echo this is no picture", "did not write a JPEG"),
        (&format!("{TINY}; exit 1"), "failed (exit status: 1)"),
    ] {
        let house = House::with(script(directory.path(), text), 640, 480);
        house.take(1);
        let why = house.failure();
        assert!(why.contains(expected), "{why}");
    }
    let nothing = CameraDevice::Command(vec!["/nowhere/camera".into(), "secret".into()]);
    let house = House::with(nothing, 640, 480);
    house.take(1);
    let why = house.failure();
    assert!(
        why.contains("cannot be started") && !why.contains("secret"),
        "{why}"
    );
}

#[test]
fn a_command_that_never_ends_is_ended_with_all_that_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let pid_file = directory.path().join("pid");
    let text = format!("sleep 600 & echo $! > {}; wait", pid_file.display());
    let house = House::with(script(directory.path(), &text), 640, 480);
    let asked = Instant::now();
    house.take(1);
    let why = house.failure();
    assert!(why.contains("no picture within"), "{why}");
    assert!(asked.elapsed() < Duration::from_secs(15));
    let pid = std::fs::read_to_string(pid_file).unwrap();
    let alive = || {
        // A zombie is not alive: init may take its time to collect it.
        std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
            .is_ok_and(|stat| !stat.contains(") Z"))
    };
    let begun = Instant::now();
    while alive() {
        assert!(begun.elapsed() < DEADLINE, "the sleep goes on");
        std::thread::yield_now();
    }
}

/// A camera on the network, with its runtime.
fn web_camera(router: axum::Router) -> (tokio::runtime::Runtime, String) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(axum::serve(listener, router).into_future());
    (runtime, address.to_string())
}

#[test]
fn a_cameras_address_is_asked_for_the_photo() {
    use axum::routing::get;
    let router = axum::Router::new()
        .route(
            "/snapshot.jpg",
            get(async || b"\xff\xd8net\xff\xd9".to_vec()),
        )
        .route("/page", get(async || "<html>login</html>"))
        .route("/endless", get(async || vec![0u8; 11 << 20]))
        .route("/silent", get(std::future::pending::<()>));
    let (_runtime, address) = web_camera(router);
    let house = |path: &str| {
        let url = format!("http://anna:secret@{address}{path}");
        let house = House::with(CameraDevice::Url(url), 640, 480);
        house.take(1);
        house
    };
    assert_eq!(&*house("/snapshot.jpg").photo().1, b"\xff\xd8net\xff\xd9");
    for (path, expected) in [
        ("/page", "no JPEG"),
        ("/missing", "404"),
        ("/endless", "more than 10 MB"),
        ("/silent", "no picture within"),
    ] {
        let why = house(path).failure();
        assert!(why.contains(expected), "{path}: {why}");
        assert!(!why.contains("secret") && !why.contains("anna"), "{why}");
    }
}

#[test]
fn a_camera_that_is_not_there_is_said_to_refuse() {
    // Nothing listens so low, and nobody is given it by chance.
    let url = "http://127.0.0.1:1/x.jpg".to_owned();
    let house = House::with(CameraDevice::Url(url), 640, 480);
    house.take(1);
    let why = house.failure();
    assert!(
        why.contains("127.0.0.1") && why.contains("refused"),
        "{why}"
    );
}
