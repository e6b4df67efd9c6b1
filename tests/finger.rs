//! The finger reader's driver against the emulated module, over a real pseudo-terminal.

#![allow(clippy::unwrap_used)] // A test ends where something is not as it was made.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use asfaleia::access::finger::{FingerError, FingerReader, Fingers, Progress, ReaderPort};
use asfaleia::access::people::People;
use asfaleia::alarm::{Event, Factor, Origin, TroubleCode, Who};
use asfaleia::clock::{SystemClock, WallTime};
use asfaleia::config::ModulePassword;
use asfaleia::inbox::Inbox;
use asfaleia::sensors::port::Ports;
use asfaleia::simulator::{Faults, Finger, Model, ReaderFault, SimulatedReader};
use asfaleia::store::{Credential, KnownBy};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

/// Three commands without an answer, and the port opened anew, on a machine that is busy.
const WAIT: Duration = Duration::from_secs(60);

/// A reader that is watched, and the module that it reads.
struct House {
    module: SimulatedReader,
    faults: Faults,
    fingers: Fingers,
    people: watch::Sender<Arc<People>>,
    touched: Receiver<Who>,
    troubles: Receiver<Event>,
    runtime: Runtime,
    _dir: TempDir,
}

impl House {
    /// A house whose reader works.
    fn new(model: Model) -> House {
        let house = House::with(model, 0, |_| {});
        house.hears(TroubleCode::FingerReader, false);
        house
    }

    /// A house with a module that was prepared before it was watched, and the password that the
    /// house believes it has.
    fn with(model: Model, password: u32, prepare: impl FnOnce(&SimulatedReader)) -> House {
        let dir = tempfile::tempdir().unwrap();
        let faults = Faults::default();
        let module = SimulatedReader::start(model, dir.path(), &faults).unwrap();
        prepare(&module);
        let (inbox, letters) = Inbox::new(SystemClock::shared());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (fingers, asks) = Fingers::new();
        let (people, known) = watch::channel(Arc::default());
        let (tell, touched) = channel();
        let (raise, troubles) = channel();
        // Ends with the reader.
        std::thread::spawn(move || {
            for letter in letters {
                let _ = match letter.event {
                    Event::Shown {
                        factor: Factor::Finger,
                        who,
                        origin: Origin::Reader,
                        duress: false,
                    } => tell.send(who).map_err(drop),
                    other => raise.send(other).map_err(drop),
                };
            }
        });
        let port = ReaderPort {
            port: module.port().to_owned(),
            baud: 57_600,
            password: ModulePassword(password),
        };
        let reader = FingerReader::new(port, Ports::default(), known, asks, inbox);
        let reader = Arc::new(reader);
        runtime.spawn(async move { reader.watch().await });
        House {
            module,
            faults,
            fingers,
            people,
            touched,
            troubles,
            runtime,
            _dir: dir,
        }
    }

    /// Waits until the trouble is raised, or cleared; says its text.
    fn hears(&self, wanted: TroubleCode, raised: bool) -> String {
        let began = Instant::now();
        loop {
            let left = WAIT.saturating_sub(began.elapsed());
            match self.troubles.recv_timeout(left).expect("the trouble") {
                Event::TroubleRaised(trouble) if raised && trouble.code == wanted => {
                    return trouble.text;
                }
                Event::TroubleCleared { code, .. } if !raised && code == wanted => {
                    return String::new();
                }
                _ => {}
            }
        }
    }

    fn lay(&self, name: &str) {
        self.module.lay(Finger::Of(name.to_owned()));
    }

    fn next_touch(&self) -> Who {
        self.touched.recv_timeout(WAIT).expect("a touch")
    }

    /// Lays a finger, waits for what becomes of it, and lifts it for long enough to be seen.
    fn touch(&self, name: &str) -> Who {
        self.lay(name);
        let touched = self.next_touch();
        self.module.lift();
        self.several_looks();
        touched
    }

    /// Waits until the driver has looked at the sensor several times more.
    fn several_looks(&self) {
        let from = self.module.commands();
        until("looks at the sensor", || self.module.commands() > from + 3);
    }

    /// Enrols with these fingers at the touches, in order; dirty is `""`.
    fn enrol(&self, touches: &[&str]) -> (Result<u16, FingerError>, Vec<Progress>) {
        let (progress, mut said) = mpsc::channel(1);
        let fingers = self.fingers.clone();
        let enrolled = self
            .runtime
            .spawn(async move { fingers.enrol(progress).await });
        let mut touches = touches.iter();
        let mut heard = Vec::new();
        while let Some(what) = self.runtime.block_on(said.recv()) {
            heard.push(what);
            match what {
                Progress::Lay | Progress::LayAgain | Progress::Unreadable => match touches.next() {
                    Some(&"") => self.module.lay(Finger::Dirty),
                    Some(name) => self.lay(name),
                    None => {}
                },
                Progress::Lift => self.module.lift(),
                Progress::Different => {}
            }
        }
        self.module.lift();
        let enrolled = self.runtime.block_on(enrolled).unwrap();
        if !matches!(enrolled, Err(FingerError::NotThere(_))) {
            self.several_looks();
        }
        (enrolled, heard)
    }

    /// The house has written down whose these slots are.
    fn knows(&self, slots: impl IntoIterator<Item = u16>) {
        let finger = |slot| Credential {
            id: u64::from(slot),
            person: owner(slot),
            enrolled: WallTime(0),
            known_by: KnownBy::Finger {
                slot,
                duress: false,
            },
        };
        let known = slots.into_iter().map(finger).collect();
        self.people.send_replace(Arc::new(People::new(known)));
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < WAIT, "waited for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn owner(slot: u16) -> String {
    format!("owner of {slot}")
}

fn person(slot: u16) -> Who {
    Who::Person(owner(slot))
}

#[test]
fn a_finger_is_enrolled_by_two_touches_and_is_known_from_then_on() {
    let house = House::new(Model::R503);
    let (enrolled, said) = house.enrol(&["Anna's", "Anna's"]);
    assert_eq!(enrolled, Ok(0));
    assert_eq!(said, [Progress::Lay, Progress::Lift, Progress::LayAgain]);
    house.knows([0]);
    assert_eq!(house.touch("Anna's"), person(0));
    assert_eq!(house.touch("a stranger's"), Who::Stranger);
    assert_eq!(house.touch("Anna's"), person(0));

    let (second, _) = house.enrol(&["Ben's", "Ben's"]);
    assert_eq!(second, Ok(1));
    let known = house.runtime.block_on(house.fingers.known()).unwrap();
    assert_eq!(known, BTreeSet::from([0, 1]));
    house.runtime.block_on(house.fingers.delete(0)).unwrap();
    house.knows([1]);
    assert_eq!(house.touch("Anna's"), Who::Stranger);
}

#[test]
fn a_finger_that_lies_on_is_told_once() {
    let house = House::new(Model::R503);
    house.lay("a stranger's");
    assert_eq!(house.next_touch(), Who::Stranger);
    house.several_looks();
    house.module.lift();
    house.several_looks();
    assert_eq!(
        house.touched.recv_timeout(Duration::ZERO),
        Err(RecvTimeoutError::Timeout)
    );
    assert_eq!(house.touch("a stranger's"), Who::Stranger);
}

#[test]
fn a_dirty_finger_is_nobodys_touch() {
    let house = House::new(Model::R503);
    house.module.lay(Finger::Dirty);
    house.several_looks();
    house.module.lift();
    house.several_looks();
    assert_eq!(
        house.touched.recv_timeout(Duration::ZERO),
        Err(RecvTimeoutError::Timeout)
    );
    let (enrolled, said) = house.enrol(&["", "Anna's", "Anna's"]);
    assert_eq!(enrolled, Ok(0));
    assert_eq!(said[..2], [Progress::Lay, Progress::Unreadable]);
}

#[test]
fn two_different_fingers_make_no_template_and_are_asked_for_again() {
    let house = House::new(Model::R503);
    let (enrolled, said) = house.enrol(&["Anna's", "Ben's", "Anna's", "Anna's"]);
    assert_eq!(enrolled, Ok(0));
    assert!(said.contains(&Progress::Different), "{said:?}");
    assert_eq!(house.module.templates()[&0], "Anna's");
    let pairs = ["Ben's", "Cleo's"].repeat(3);
    let (enrolled, _) = house.enrol(&pairs);
    assert_eq!(enrolled, Err(FingerError::Different));
    assert_eq!(house.module.templates().len(), 1);
}

#[test]
fn a_finger_is_not_enrolled_twice() {
    let house = House::new(Model::R503);
    assert_eq!(house.enrol(&["Anna's", "Anna's"]).0, Ok(0));
    house.knows([0]);
    // Not for duress either: the module finds one of two, whichever it likes.
    let (enrolled, _) = house.enrol(&["Anna's"]);
    assert_eq!(enrolled, Err(FingerError::Known(0)));
}

#[test]
fn an_enrolment_that_nobody_follows_any_more_leaves_nothing_behind() {
    let house = House::new(Model::R503);
    let (progress, mut said) = mpsc::channel(1);
    let fingers = house.fingers.clone();
    let enrolment = house
        .runtime
        .spawn(async move { fingers.enrol(progress).await });
    assert_eq!(house.runtime.block_on(said.recv()), Some(Progress::Lay));
    drop(said);
    enrolment.abort();
    house.several_looks();
    house.lay("Anna's");
    assert_eq!(house.next_touch(), Who::Stranger);
    assert!(house.module.templates().is_empty());
}

#[test]
fn a_template_that_nobody_enrolled_is_a_trouble_and_lets_nobody_in() {
    let house = House::with(Model::R307, 0, |module| {
        for page in [0, 7, 255, 256, 999] {
            module.plant(page, "a burglar's");
        }
    });
    let text = house.hears(TroubleCode::FingerUnknown, true);
    assert!(text.contains("(5)"), "{text}");
    assert_eq!(house.touch("a burglar's"), Who::Stranger);
    let deleted = house.runtime.block_on(house.fingers.delete_unknown());
    assert_eq!(deleted, Ok(5));
    house.hears(TroubleCode::FingerUnknown, false);
    assert!(house.module.templates().is_empty());
}

#[test]
fn a_template_that_is_lost_is_a_trouble_and_its_slot_is_given_to_nobody_else() {
    let house = House::new(Model::R503);
    house.knows([0]);
    house.hears(TroubleCode::FingerMissing, true);
    let (enrolled, _) = house.enrol(&["Ben's", "Ben's"]);
    assert_eq!(enrolled, Ok(1));
    house.knows([1]);
    house.hears(TroubleCode::FingerMissing, false);
}

#[test]
fn a_full_module_says_so() {
    let house = House::with(Model::R503, 0, |module| {
        for page in 0..200 {
            module.plant(page, &page.to_string());
        }
    });
    assert_eq!(house.enrol(&["Anna's"]).0, Err(FingerError::Full));
}

#[test]
fn a_pulled_cable_is_a_trouble_until_it_is_put_back() {
    let house = House::new(Model::R503);
    house.module.plant(3, "Anna's");
    house.knows([3]);
    house
        .faults
        .change(|faults| faults.finger = Some(ReaderFault::Unplugged));
    let text = house.hears(TroubleCode::FingerReader, true);
    assert!(text.contains("the finger reader on "), "{text}");
    let (enrolled, _) = house.enrol(&[]);
    assert!(
        matches!(enrolled, Err(FingerError::NotThere(_))),
        "{enrolled:?}"
    );
    house.faults.change(|faults| faults.finger = None);
    house.hears(TroubleCode::FingerReader, false);
    assert_eq!(house.touch("Anna's"), person(3));
}

/// With an owner's finger on the sensor all the while.
fn lets_nobody_in_and_recovers(fault: ReaderFault) {
    let house = House::new(Model::R503);
    house.module.plant(3, "Anna's");
    house.knows([3]);
    house.faults.change(|faults| faults.finger = Some(fault));
    // What was said before the fault arrives; then nothing does.
    house.several_looks();
    house.lay("Anna's");
    house.hears(TroubleCode::FingerReader, true);
    assert_eq!(
        house.touched.recv_timeout(Duration::ZERO),
        Err(RecvTimeoutError::Timeout)
    );
    house.faults.change(|faults| faults.finger = None);
    assert_eq!(house.next_touch(), person(3));
    house.hears(TroubleCode::FingerReader, false);
}

#[test]
fn a_silent_module_lets_nobody_in_and_recovers() {
    lets_nobody_in_and_recovers(ReaderFault::Silent);
}

#[test]
fn noise_lets_nobody_in_and_recovers() {
    lets_nobody_in_and_recovers(ReaderFault::Garbage);
}

#[test]
fn wrong_sums_let_nobody_in_and_recover() {
    lets_nobody_in_and_recovers(ReaderFault::WrongSum);
}

#[test]
fn half_answers_let_nobody_in_and_recover() {
    lets_nobody_in_and_recovers(ReaderFault::Half);
}

#[test]
fn a_module_with_another_password_is_a_trouble_that_says_where_to_write_it() {
    let house = House::with(Model::R503, 4_711, |module| module.set_password(815));
    let text = house.hears(TroubleCode::FingerReader, true);
    assert!(
        text.contains("password-file") && !text.contains("4711"),
        "{text}"
    );
    house.module.set_password(4_711);
    house.hears(TroubleCode::FingerReader, false);
}

#[test]
fn the_light_shows_what_the_person_should_do_and_what_became_of_it() {
    const RED: u8 = 1;
    const BLUE: u8 = 2;
    let house = House::new(Model::R503);
    house.module.plant(3, "Anna's");
    house.knows([3]);
    house.touch("Anna's");
    assert_eq!(house.module.ring().colour, BLUE);
    house.touch("a stranger's");
    assert_eq!(house.module.ring().colour, RED);
}
