//! The store's disk is full, or takes no writes: alarms ring, ventilate, mail and call all the same,
//! and everything is written down when the disk is well again.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};

use crate::Violations;
use crate::home::{Home, Service};
use crate::namespace::Namespace;

/// A house whose store is a disk of its own.
struct House {
    home: Home,
    disk: Namespace,
}

impl House {
    fn with_disk_of(size: &str) -> Option<House> {
        let home = Home::with(&[("gpio = 18\nwarm-up = \"0s\"", "simulated = true")]);
        let store = home.store();
        fs::create_dir(&store).unwrap();
        let store = store.display();
        let disk = Namespace::with(&format!("mount -t tmpfs -o size={size} tmpfs '{store}'"))?;
        Some(House { home, disk })
    }

    fn start(&self) -> Service {
        self.home.launch(self.disk.inside(&self.home.command()))
    }

    fn armed(&self) -> Service {
        let service = self.start();
        service.until_heard();
        service.api.post("arm", serde_json::json!({}));
        service.api.until_committed();
        service
    }

    /// Writes until nothing more goes in.
    fn fill(&self) {
        let path = self.disk.seen(&self.home.store().join("filler"));
        let mut filler = File::create(path).unwrap();
        let mut size = 64 * 1024;
        loop {
            match filler.write_all(&vec![7; size]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull && size == 1 => return,
                Err(error) if error.kind() == ErrorKind::StorageFull => size = 1,
                Err(error) => panic!("filling the disk: {error}"),
            }
        }
    }

    fn free(&self) {
        fs::remove_file(self.disk.seen(&self.home.store().join("filler"))).unwrap();
    }

    fn takes_writes(&self, writes: bool) {
        let how = if writes { "rw" } else { "ro" };
        let store = self.home.store();
        self.disk
            .run(&format!("mount -o remount,{how} '{}'", store.display()));
    }

    /// An alarm of each kind does all that it has to do.
    fn alarms(&self, service: &Service) {
        let mails = |subject| {
            let mut mails = self.home.mails();
            mails.retain(|mail| mail["subject"].as_str().unwrap().contains(subject));
            mails.len()
        };
        let (motion, gas, calls) = (
            mails("ALARM motion in hall"),
            mails("ALARM gas"),
            self.home.calls().len(),
        );
        service.api.pulse("hall");
        service.api.until_output("buzzer", true);
        self.home.until_mails("ALARM motion in hall", motion + 1);
        self.home.until_calls(calls + 1);
        self.home.gas(true);
        service.api.until_output("exhaust", true);
        self.home.until_mails("ALARM gas", gas + 1);
        self.home.until_calls(calls + 2);
        self.home.gas(false);
        service.api.until_output("exhaust", false);
    }
}

#[test]
fn on_a_full_disk_alarms_do_all_they_have_to_and_are_written_down_when_there_is_space() {
    let Some(house) = House::with_disk_of("3m") else {
        return;
    };
    let violations = Violations::default();
    let service = house.armed();
    house.fill();
    house.alarms(&service);
    let text = service.api.until_trouble("store");
    violations.unless(text.contains("space"), || format!("what mends it? {text}"));
    violations.unless(service.api.state() == "triggered", || service.api.state());

    // Killed while it is full: what was committed before is what it comes back as.
    service.running.kill();
    let service = house.start();
    service.until_heard();
    violations.unless(service.api.state() == "armed_away", || {
        format!("started on a full disk: {}", service.api.status())
    });
    house.alarms(&service);
    service.api.until_trouble("store");
    house.free();
    service.api.until_no_trouble("store");
    let opened = service.api.events_of("incident_opened").len();
    violations.unless(opened == 2, || {
        format!("{opened} incidents are in the store")
    });

    service.running.kill();
    let service = house.start();
    violations.unless(service.api.state() == "triggered", || service.api.state());
    violations.close("store: disk full: 4 alarms, 2 kills");
}

#[test]
fn a_disk_that_takes_no_writes_keeps_the_panel_armed_and_gets_everything_when_it_does() {
    let Some(house) = House::with_disk_of("20m") else {
        return;
    };
    let violations = Violations::default();
    house.armed().running.kill();
    house.takes_writes(false);
    let service = house.start();
    service.until_heard();
    violations.unless(service.api.state() == "armed_away", || {
        format!("started on a read-only disk: {}", service.api.status())
    });
    let text = service.api.until_trouble("store");
    violations.unless(text.contains("read-only"), || {
        format!("what is wrong? {text}")
    });
    house.alarms(&service);
    service.running.kill();
    let service = house.start();
    violations.unless(service.api.state() == "armed_away", || {
        format!("started again: {}", service.api.status())
    });
    service.until_heard();
    house.alarms(&service);
    house.takes_writes(true);
    service.api.until_no_trouble("store");
    let opened = service.api.events_of("incident_opened").len();
    violations.unless(opened == 2, || {
        format!("{opened} incidents are in the store")
    });
    service.running.kill();
    let service = house.start();
    violations.unless(service.api.state() == "triggered", || service.api.state());
    violations.close("store: read-only: 4 alarms, 3 kills");
}
