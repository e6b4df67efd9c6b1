//! NodeMCUs on real pseudo-terminals: what the cable, the node and the kernel do to us.

#![allow(clippy::unwrap_used)] // A test ends where something is not as it was made.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use asfaleia::alarm::{Event, Reading, SensorName, TroubleCode};
use asfaleia::clock::SystemClock;
use asfaleia::config::{self, Depth, NodeMcu, NodePort, Sensor};
use asfaleia::inbox::{Inbox, Letter};
use asfaleia::sensors::Errors;
use asfaleia::sensors::line::{self, Line};
use asfaleia::sensors::nodemcu::Node;
use asfaleia::sensors::port::Ports;
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tempfile::TempDir;

/// Longer than anything takes; a test that waits so long has failed.
const WAIT: Duration = Duration::from_secs(60);

/// The far end of a cable. Dropping it pulls the cable.
struct FarEnd {
    pty: OwnedFd,
    path: PathBuf,
}

impl FarEnd {
    fn plug_in() -> Self {
        let pty = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&pty).unwrap();
        unlockpt(&pty).unwrap();
        let path = PathBuf::from(ptsname(&pty, Vec::new()).unwrap().into_string().unwrap());
        // As quiet as a wire: no echo of what is sent before the port is opened.
        let mut wire = tcgetattr(&pty).unwrap();
        wire.make_raw();
        tcsetattr(&pty, OptionalActions::Now, &wire).unwrap();
        rustix::io::ioctl_fionbio(&pty, true).unwrap();
        FarEnd { pty, path }
    }

    /// Sends bytes; waits while the cable is full.
    fn send(&self, mut bytes: &[u8]) {
        let start = Instant::now();
        while !bytes.is_empty() {
            match rustix::io::write(&self.pty, bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::AGAIN) => std::thread::yield_now(),
                Err(error) => panic!("sending: {error}"),
            }
            assert!(start.elapsed() < WAIT, "nobody reads");
        }
    }

    fn say(&self, node: &str, seq: u32, gas: bool) {
        self.send(line::write(&gas_line(node, seq, gas)).as_bytes());
    }
}

/// A house with made-up `/sys/class/tty` and `/dev`.
struct House {
    root: TempDir,
    inbox: Inbox,
    letters: Receiver<Letter>,
    errors: Errors,
    runtime: tokio::runtime::Runtime,
}

impl House {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for place in ["sys", "dev"] {
            fs::create_dir(root.path().join(place)).unwrap();
        }
        let (inbox, letters) = Inbox::new(SystemClock::shared());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        House {
            root,
            inbox,
            letters,
            errors: Errors::default(),
            runtime,
        }
    }

    fn node(&self, name: &str, port: NodePort) -> Node {
        let node = NodeMcu {
            name: name.into(),
            port,
        };
        let root = self.root.path();
        let ports = Ports::under(root.join("sys"), root.join("dev"));
        let (inbox, errors) = (self.inbox.clone(), self.errors.clone());
        Node::new(&node, &sensors(name), ports, inbox, errors)
    }

    fn watch(&self, name: &str, port: NodePort) {
        self.runtime.spawn(self.node(name, port).watch());
    }

    /// Gives a far end a name among the USB serial ports, as the kernel does.
    fn name_usb(&self, tty: &str, far: &FarEnd) {
        let usb = self.root.path().join("devices").join(tty);
        let device = usb.join("1-1:1.0").join(tty);
        self.name(tty, &device, far);
        give_usb_ids(&usb, "1a86", "7523");
    }

    /// Gives a far end a name among the serial ports, with its device in sysfs.
    fn name(&self, tty: &str, device: &Path, far: &FarEnd) {
        let root = self.root.path();
        fs::create_dir_all(device).unwrap();
        fs::create_dir(root.join("sys").join(tty)).unwrap();
        symlink(device, root.join("sys").join(tty).join("device")).unwrap();
        symlink(&far.path, root.join("dev").join(tty)).unwrap();
    }

    fn unname_usb(&self, tty: &str) {
        let root = self.root.path();
        fs::remove_dir_all(root.join("sys").join(tty)).unwrap();
        fs::remove_dir_all(root.join("devices").join(tty)).unwrap();
        fs::remove_file(root.join("dev").join(tty)).unwrap();
    }

    fn next(&self) -> Event {
        let letter = self.letters.recv_timeout(WAIT);
        letter.expect("something should have happened").event
    }

    /// The next reading that is news, passing over signs of life and troubles.
    fn next_of(&self, sensor: &str, active: bool) -> Reading {
        let start = Instant::now();
        loop {
            if let Event::Reading(reading) = self.next()
                && reading.sensor.as_str() == sensor
                && reading.active == active
            {
                return reading;
            }
            assert!(start.elapsed() < WAIT, "no such reading of {sensor}");
        }
    }

    /// The node is back. Why it is gone may have been said anew before.
    fn expect_cleared(&self) {
        loop {
            match self.next() {
                Event::TroubleRaised(trouble) if trouble.code == TroubleCode::NodeGone => {}
                other => {
                    let back = Event::TroubleCleared {
                        code: TroubleCode::NodeGone,
                        subject: "kitchen".into(),
                    };
                    return assert_eq!(other, back);
                }
            }
        }
    }

    /// Waits until the node is said to be gone because of this.
    fn expect_gone_because(&self, why: &str) {
        loop {
            match self.next() {
                Event::TroubleRaised(trouble) if trouble.text.contains(why) => return,
                Event::TroubleRaised(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn expect_gone(&self) {
        for name in ["kitchen gas", "kitchen beam"] {
            let sensor = SensorName::from(name);
            assert_eq!(self.next(), Event::Lost { sensor });
        }
        match self.next() {
            Event::TroubleRaised(trouble) => {
                assert_eq!(trouble.code, TroubleCode::NodeGone);
                assert_eq!(trouble.subject, "kitchen");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A gas sensor and a beam on this node.
fn sensors(node: &str) -> Vec<Sensor> {
    let text = format!(
        "[[nodemcu]]\nname = \"{node}\"\nport = \"/dev/ttyUSB0\"\n\
         [[sensor]]\nname = \"{node} gas\"\nkind = \"gas\"\nnodemcu = \"{node}.gas\"\n\
         [[sensor]]\nname = \"{node} beam\"\nkind = \"beam\"\nnodemcu = \"{node}.beam\"\n\
         active = \"low\"\n"
    );
    let loaded = config::parse(&text, "test", Depth::Shape);
    loaded.unwrap_or_else(|it| panic!("{it}")).config.sensors
}

fn gas_line(node: &str, seq: u32, gas: bool) -> Line {
    Line {
        node: node.into(),
        seq,
        uptime: seq,
        gas: Some(gas),
        raw: Some(300),
        beam: None,
    }
}

fn give_usb_ids(device: &Path, vendor: &str, product: &str) {
    fs::write(device.join("idVendor"), format!("{vendor}\n")).unwrap();
    fs::write(device.join("idProduct"), format!("{product}\n")).unwrap();
}

fn usb() -> NodePort {
    NodePort::Usb {
        vendor: "1a86".into(),
        product: "7523".into(),
    }
}

fn path(path: &Path) -> NodePort {
    NodePort::Path(path.to_owned())
}

#[test]
fn a_line_becomes_a_reading_found_first_and_seen_after() {
    let house = House::new();
    let far = FarEnd::plug_in();
    house.watch("kitchen", path(&far.path));
    far.say("kitchen", 1, false);
    house.expect_cleared();
    let reading = |active, found| Reading {
        sensor: "kitchen gas".into(),
        active,
        found,
        raw: Some(300),
    };
    assert_eq!(house.next(), Event::Reading(reading(false, true)));
    far.say("kitchen", 2, true);
    assert_eq!(house.next(), Event::Reading(reading(true, false)));
}

#[test]
fn a_beam_that_is_active_low_is_turned_round() {
    let house = House::new();
    let far = FarEnd::plug_in();
    house.watch("kitchen", path(&far.path));
    let beam = |seq, beam| Line {
        gas: None,
        raw: None,
        beam: Some(beam),
        ..gas_line("kitchen", seq, false)
    };
    far.send(line::write(&beam(1, true)).as_bytes());
    assert_eq!(house.next_of("kitchen beam", false).raw, None);
    far.send(line::write(&beam(2, false)).as_bytes());
    house.next_of("kitchen beam", true);
}

#[test]
fn noise_half_lines_and_wrong_checksums_are_counted_and_never_acted_on() {
    let house = House::new();
    let far = FarEnd::plug_in();
    house.watch("kitchen", path(&far.path));
    far.say("kitchen", 1, false);
    house.next_of("kitchen gas", false);

    let alarm = line::write(&gas_line("kitchen", 2, true));
    let (half, _) = alarm.split_at(20);
    far.send(b"\x00\xff\xfe ets Jan  8 2013,rst cause:2\n");
    far.send(alarm.replace("raw=300", "raw=301").as_bytes());
    far.send(format!("{half}\n").as_bytes());
    far.send(&[0xA5; 200]);
    far.send(b"\n");
    // The next good line comes in two pieces, and is the first to be acted on.
    let good = line::write(&Line {
        raw: Some(77),
        ..gas_line("kitchen", 3, true)
    });
    let (head, tail) = good.as_bytes().split_at(9);
    far.send(head);
    far.send(tail);
    assert_eq!(house.next_of("kitchen gas", true).raw, Some(77));
    for name in ["kitchen gas", "kitchen beam"] {
        assert_eq!(house.errors.of(&name.into()), 4);
    }
}

#[test]
fn a_noisy_link_is_a_trouble_until_it_is_clean_again() {
    let house = House::new();
    let far = FarEnd::plug_in();
    house.watch("kitchen", path(&far.path));
    for seq in 0..11 {
        far.say("kitchen", seq, false);
        far.send(b"ASF1 kitchen\n");
    }
    let noisy = std::iter::from_fn(|| Some(house.next())).find_map(|event| match event {
        Event::TroubleRaised(trouble) => Some(trouble),
        _other => None,
    });
    let noisy = noisy.expect("an endless iterator ends by finding");
    assert_eq!(
        (noisy.code, noisy.subject.as_str()),
        (TroubleCode::LinkNoisy, "kitchen")
    );
    for seq in 0..110 {
        far.say("kitchen", seq, false);
    }
    let cleared = Event::TroubleCleared {
        code: TroubleCode::LinkNoisy,
        subject: "kitchen".into(),
    };
    while house.next() != cleared {}
}

#[test]
fn a_node_that_restarts_goes_on_as_if_nothing_was() {
    let house = House::new();
    let far = FarEnd::plug_in();
    house.watch("kitchen", path(&far.path));
    far.say("kitchen", 4_000, false);
    house.next_of("kitchen gas", false);
    far.say("kitchen", 0, true);
    assert!(!house.next_of("kitchen gas", true).found);
    assert_eq!(house.errors.of(&"kitchen gas".into()), 0);
}

#[test]
fn of_a_thousand_fast_changes_none_is_lost() {
    let house = House::new();
    let far = FarEnd::plug_in();
    house.watch("kitchen", path(&far.path));
    let writer = std::thread::spawn(move || {
        for seq in 0..1_000 {
            far.say("kitchen", seq, seq % 2 == 0);
        }
        far
    });
    house.expect_cleared();
    let mut seq = 0;
    while seq < 1_000 {
        match house.next() {
            Event::Reading(reading) => assert_eq!(reading.active, seq % 2 == 0, "line {seq}"),
            // After a hundred good lines.
            Event::TroubleCleared {
                code: TroubleCode::LinkNoisy,
                ..
            } => continue,
            other => panic!("line {seq}: {other:?}"),
        }
        seq += 1;
    }
    drop(writer.join().unwrap());
}

#[test]
fn repeated_lines_are_folded_to_a_sign_of_life() {
    let house = House::new();
    let far = FarEnd::plug_in();
    house.watch("kitchen", path(&far.path));
    let start = Instant::now();
    for seq in 0..500 {
        far.say("kitchen", seq, false);
    }
    far.say("kitchen", 500, true);
    let mut unchanged = 0;
    loop {
        match house.next() {
            Event::Reading(reading) if reading.active => break,
            Event::Reading(_) => unchanged += 1,
            Event::TroubleCleared { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    // The first was found, the second is the first one seen.
    assert!(
        unchanged <= 2 + start.elapsed().as_millis() / 900,
        "{unchanged} of 500 passed"
    );
}

#[test]
fn a_cable_that_is_pulled_comes_back_under_another_name() {
    let house = House::new();
    let far = FarEnd::plug_in();
    house.name_usb("ttyUSB0", &far);
    house.watch("kitchen", usb());
    far.say("kitchen", 1, true);
    house.expect_cleared();
    assert!(house.next_of("kitchen gas", true).found);

    // The name first: another test's cable may get its number at once.
    house.unname_usb("ttyUSB0");
    drop(far);
    house.expect_gone();

    let far = FarEnd::plug_in();
    house.name_usb("ttyUSB7", &far);
    far.say("kitchen", 1, true);
    house.expect_cleared();
    assert!(house.next_of("kitchen gas", true).found);
}

#[test]
fn a_node_that_is_not_plugged_in_at_the_start_is_gone_and_comes_later() {
    let house = House::new();
    house.watch("kitchen", usb());
    house.expect_gone();
    let far = FarEnd::plug_in();
    house.name_usb("ttyUSB0", &far);
    far.say("kitchen", 1, false);
    house.expect_cleared();
}

#[test]
fn why_a_node_is_gone_is_said_anew_when_it_changes() {
    let house = House::new();
    let far = FarEnd::plug_in();
    let name = house.root.path().join("by-id");
    house.watch("kitchen", path(&name));
    house.expect_gone();
    // Something is plugged in at last, and it is another node.
    symlink(&far.path, &name).unwrap();
    far.say("cellar", 1, true);
    house.expect_gone_because("it speaks for the node \"cellar\"");
    far.say("cellar", 2, true);
    fs::remove_file(&name).unwrap();
    drop(far);
    // What is said twice is told once: the next word is another.
    house.expect_gone_because("the cable was pulled");
    house.expect_gone_because("No such file");
}

#[test]
fn of_all_ports_only_those_with_the_usb_ids_are_read() {
    let house = House::new();
    let devices = house.root.path().join("devices");
    // Where the name of each port sorts before ours: it would be tried first.
    let built_in = FarEnd::plug_in();
    let platform = devices.join("platform/3f201000.serial");
    house.name("ttyAMA0", &platform, &built_in);
    let strangers =
        [("a", "1a86", "55d4"), ("b", "0403", "7523")].map(|(name, vendor, product)| {
            let (far, usb) = (FarEnd::plug_in(), devices.join(name));
            house.name(&format!("ttyACM{name}"), &usb.join("1-2:1.0"), &far);
            give_usb_ids(&usb, vendor, product);
            far
        });
    // A console has no device at all.
    fs::create_dir(house.root.path().join("sys/console")).unwrap();
    // A board that speaks USB itself: its port's device is the interface, not one step below it.
    let (far, usb_device) = (FarEnd::plug_in(), devices.join("own"));
    house.name("ttyACMown", &usb_device.join("1-3:1.0"), &far);
    give_usb_ids(&usb_device, "1a86", "7523");

    for wrong in strangers.iter().chain([&built_in]) {
        wrong.say("kitchen", 1, true);
    }
    far.say("kitchen", 1, false);
    house.watch("kitchen", usb());
    house.expect_cleared();
    match house.next() {
        Event::Reading(reading) => assert!(!reading.active, "a stranger's line"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_port_named_by_id_is_found_again_where_its_link_points_then() {
    let house = House::new();
    let far = FarEnd::plug_in();
    let by_id = house.root.path().join("usb-1a86_USB_Serial-if00-port0");
    symlink(&far.path, &by_id).unwrap();
    house.watch("kitchen", path(&by_id));
    far.say("kitchen", 1, true);
    house.expect_cleared();
    assert!(house.next_of("kitchen gas", true).found);

    fs::remove_file(&by_id).unwrap();
    drop(far);
    house.expect_gone();

    let far = FarEnd::plug_in();
    symlink(&far.path, &by_id).unwrap();
    far.say("kitchen", 1, true);
    house.expect_cleared();
    assert!(house.next_of("kitchen gas", true).found);
}

#[test]
fn twins_with_the_same_usb_ids_are_told_apart_by_what_they_say() {
    let house = House::new();
    let twins = [("kitchen", true), ("cellar", false)].map(|(name, gas)| {
        let far = FarEnd::plug_in();
        house.name_usb(if gas { "ttyUSB1" } else { "ttyUSB0" }, &far);
        (name, gas, far)
    });
    house.watch("cellar", usb());
    house.watch("kitchen", usb());
    // They talk on, as nodes do, until each was heard by its own task.
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let talking = std::thread::spawn(move || {
        let mut seq = 0;
        while stopped.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout) {
            seq += 1;
            for (name, gas, far) in &twins {
                // A cable that nobody reads is full: what does not fit is lost, as on a wire.
                let line = line::write(&gas_line(name, seq, *gas));
                let _ = rustix::io::write(&far.pty, line.as_bytes());
            }
        }
    });
    let mut heard = (false, false);
    while heard != (true, true) {
        match house.next() {
            Event::Reading(reading) => match (reading.sensor.as_str(), reading.active) {
                ("kitchen gas", true) => heard.0 = true,
                ("cellar gas", false) => heard.1 = true,
                wrong => panic!("{wrong:?}"),
            },
            Event::TroubleCleared { .. } | Event::TroubleRaised(_) | Event::Lost { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    drop(stop);
    talking.join().unwrap();
}

#[test]
fn a_port_that_never_speaks_is_given_up_for_its_twin() {
    let house = House::new();
    let (mute, far) = (FarEnd::plug_in(), FarEnd::plug_in());
    house.name_usb("ttyUSB0", &mute);
    house.name_usb("ttyUSB1", &far);
    house.watch("kitchen", usb());
    far.say("kitchen", 1, true);
    house.expect_cleared();
    assert!(house.next_of("kitchen gas", true).found);
}

#[test]
fn another_nodes_line_on_a_named_port_is_said_and_never_acted_on() {
    let house = House::new();
    let far = FarEnd::plug_in();
    house.watch("kitchen", path(&far.path));
    far.say("cellar", 1, true);
    house.expect_gone();
    far.say("kitchen", 1, true);
    house.expect_cleared();
    assert!(house.next_of("kitchen gas", true).found);
}

#[test]
fn a_port_is_ours_alone() {
    let house = House::new();
    let far = FarEnd::plug_in();
    house.watch("kitchen", path(&far.path));
    far.say("kitchen", 1, false);
    house.expect_cleared();
    house.next_of("kitchen gas", false);
    // Other programs that ask before they read, as terminal programs do, see that it is taken.
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK;
    match rustix::fs::open(&far.path, flags, Mode::empty()) {
        Ok(port) => assert_eq!(
            flock(&port, FlockOperation::NonBlockingLockExclusive),
            Err(Errno::WOULDBLOCK)
        ),
        // Nobody but root gets so far.
        Err(why) => assert_eq!(why, Errno::BUSY),
    }
    house.watch("thief", path(&far.path));
    match house.next() {
        Event::Lost { sensor } => assert_eq!(sensor.as_str(), "thief gas"),
        other => panic!("{other:?}"),
    }
    for seq in 0..100 {
        far.say("kitchen", seq, seq % 2 == 0);
        house.next_of("kitchen gas", seq % 2 == 0);
    }
}

#[test]
fn a_cable_that_hangs_up_does_not_make_the_task_spin() {
    let house = House::new();
    let far = FarEnd::plug_in();
    let name = house.root.path().join("by-id");
    symlink(&far.path, &name).unwrap();
    let node = house.node("kitchen", path(&name));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    // A thread of its own, so that its processor time is the task's and nobody else's.
    let task = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            tokio::select! {
                () = node.watch() => {}
                _ = stopped => {}
            }
        });
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
    });
    far.say("kitchen", 1, false);
    house.expect_cleared();
    house.next_of("kitchen gas", false);
    fs::remove_file(name).unwrap();
    drop(far);
    house.expect_gone();
    house.expect_gone_because("No such file");
    let silence = house.letters.recv_timeout(Duration::from_secs(1));
    assert!(
        matches!(silence, Err(RecvTimeoutError::Timeout)),
        "{silence:?}"
    );
    stop.send(()).unwrap();
    let used = task.join().unwrap();
    assert!(used < Duration::from_millis(200), "used {used:?}");
}
