//! A house whose panel, history and devices are fakes; its listeners are real.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use asfaleia::access::Access;
use asfaleia::access::face::Guide;
use asfaleia::alarm::{
    Actor, Answer, BootTime, Cause, Command, Event, Factor, GasStatus, Incident, IncidentId,
    IncidentKind, Mode, Origin, Right, SensorKind, SensorState, SensorStatus, Status, Trouble,
    TroubleCode, Who,
};
use asfaleia::clock::{Clock, SharedClock, Stamp, WallTime};
use asfaleia::config::{self, Config};
use asfaleia::inbox::Inbox;
use asfaleia::login::{Cost, Logins, Place};
use asfaleia::store::{self, Hash, Token};
use asfaleia::web::{
    self, History, House, Line, OutboxSummary, OutputState, Outputs, ServiceKind, Sim, Snapshot,
};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use super::breaking::{BreakingHistory, camera, detail, incident, reloading};

pub(crate) const OWNERS_TOKEN: &str = "an-owners-token";
pub(crate) const GUESTS_TOKEN: &str = "a-guests-token";

/// Everybody's.
pub(crate) const PASSWORD: &str = "correct horse";
const MORNING: i64 = 1_795_427_471_000;

pub(crate) struct FakeHouse {
    pub(crate) address: SocketAddr,
    pub(crate) socket: PathBuf,
    /// What the panel was asked, in order.
    pub(crate) asked: mpsc::Receiver<(Command, Actor)>,
    /// What the panel says to it.
    pub(crate) answer: Arc<Mutex<Answer>>,
    pub(crate) history: Arc<FakeHistory>,
    pub(crate) sim: Arc<FakeSim>,
    /// What reading the configuration again comes to.
    reload: Arc<Mutex<Result<String, String>>>,
    /// Panel, history, camera and all that keeps something fail.
    broken: Arc<AtomicBool>,
    pub(crate) live: broadcast::Sender<Line>,
    pub(crate) status: watch::Sender<Arc<Snapshot>>,
    config: watch::Sender<Arc<Config>>,
    pub(crate) stop: CancellationToken,
    pub(crate) serving: Option<tokio::task::JoinHandle<()>>,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) logins: Logins,
    _directory: tempfile::TempDir,
}

impl FakeHouse {
    pub(crate) fn simulate() -> Self {
        Self::open(ServiceKind::Simulate, true)
    }

    pub(crate) fn run() -> Self {
        Self::open(ServiceKind::Run, true)
    }

    /// A real service whose devices are real.
    pub(crate) fn without_devices() -> Self {
        Self::open(ServiceKind::Run, false)
    }

    /// A real service that nobody has a password for.
    pub(crate) fn first_visit() -> Self {
        Self::furnished(ServiceKind::Run, true, None, true)
    }

    /// A real service that a proxy stands before.
    pub(crate) fn behind_a_proxy() -> Self {
        Self::furnished(ServiceKind::Run, true, Some(proxied()), false)
    }

    pub(crate) fn first_visit_behind_a_proxy() -> Self {
        Self::furnished(ServiceKind::Run, true, Some(proxied()), true)
    }

    fn open(kind: ServiceKind, simulated: bool) -> Self {
        Self::furnished(kind, simulated, None, false)
    }

    fn furnished(
        kind: ServiceKind,
        simulated: bool,
        web: Option<config::Web>,
        is_first_visit: bool,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("asfaleia.sock");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let test_clock = Arc::new(TestClock::default());
        let clock: SharedClock = test_clock.clone();
        let (inbox, letters) = Inbox::new(clock.clone());
        let (_, panel) = watch::channel(Arc::new(snapshot().status));
        let broken = Arc::new(AtomicBool::new(false));
        let keeps = Arc::clone(&broken);
        let keep = move |_, _| {
            let kept = !keeps.load(Relaxed);
            Box::pin(async move { kept }) as _
        };
        let logins = logins(clock.clone(), Arc::clone(&broken), is_first_visit);
        let logins = runtime.block_on(logins);
        let access = Access::new(Vec::new(), Box::new(keep), panel, clock);
        let (asks, asked) = mpsc::channel();
        let answer = Arc::new(Mutex::new(Answer::Done));
        let answers = Arc::clone(&answer);
        let silent = Arc::clone(&broken);
        std::thread::spawn(move || {
            for letter in letters {
                match letter.event {
                    Event::Command { command, by } => {
                        let _ = asks.send((command, by));
                    }
                    Event::Typed {
                        command, by, who, ..
                    } => {
                        let name = match who {
                            Who::Person(name) => Some(name),
                            Who::Stranger | Who::Anybody => None,
                        };
                        let with = vec![Factor::Pin];
                        let _ = asks.send((command, Actor { name, with, ..by }));
                    }
                    _other => {}
                }
                if let Some(reply) = letter.reply.filter(|_| !silent.load(Relaxed)) {
                    let _ = reply.send(answers.lock().unwrap().clone());
                }
            }
        });
        let history = Arc::new(FakeHistory::default());
        let read = Arc::new(BreakingHistory {
            history: Arc::clone(&history),
            broken: Arc::clone(&broken),
        });
        let refused = "line 3: no such key; the old one goes on".to_owned();
        let reload = Arc::new(Mutex::new(Err(refused)));
        let sim = Arc::new(FakeSim::default());
        let (live, _) = broadcast::channel(16);
        let (status, status_seen) = watch::channel(Arc::new(snapshot()));
        let (config, config_seen) = watch::channel(Arc::new(Config {
            web,
            ..configuration()
        }));
        let hangs = Arc::clone(&broken);
        let house = House {
            panel_turns: Arc::new(move || !hangs.load(Relaxed)),
            config: config_seen,
            inbox,
            status: status_seen,
            outputs: Arc::new(FakeOutputs),
            history: read,
            live: live.clone(),
            sim: simulated.then(|| Arc::clone(&sim) as Arc<dyn Sim>),
            kind,
            reload: reloading(&reload, &broken),
            access,
            fingers: asfaleia::access::finger::Fingers::new().0,
            guide: Guide::new(camera(&broken)),
            logins: logins.clone(),
            version: "9.9.9",
        };
        let stop = CancellationToken::new();
        let (address, serving) = runtime.block_on(async {
            let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = tcp.local_addr().unwrap();
            let unix = web::bind_socket(&socket).unwrap();
            let serving = web::serve(
                house,
                std::future::ready(Some(tcp)),
                Some(unix),
                stop.clone(),
            );
            (address, tokio::spawn(serving))
        });
        FakeHouse {
            address,
            socket,
            asked,
            answer,
            history,
            sim,
            reload,
            broken,
            live,
            status,
            config,
            stop,
            serving: Some(serving),
            runtime,
            clock: test_clock,
            logins,
            _directory: directory,
        }
    }

    /// The command that the panel was asked last.
    pub(crate) fn last_asked(&self) -> (Command, Actor) {
        self.asked.recv_timeout(super::wire::DEADLINE).unwrap()
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    pub(crate) fn reloads(&self, outcome: Result<String, String>) {
        *self.reload.lock().unwrap() = outcome;
    }

    /// A reload puts another configuration into force.
    pub(crate) fn reconfigure(&self, change: impl FnOnce(&mut Config)) {
        let mut config = configuration();
        change(&mut config);
        self.config.send_replace(Arc::new(config));
    }

    /// From now on panel, history, camera, and all that keeps something hang.
    pub(crate) fn hangs(&self) {
        self.broken.store(true, Relaxed);
    }

    /// From now on panel, history, camera, and all that keeps something fail.
    pub(crate) fn breaks(&mut self) {
        self.hangs();
        // Nobody says any more how the panel is.
        self.status = watch::channel(Arc::new(snapshot())).0;
    }

    /// An event happens: first in the history, then live.
    pub(crate) fn happen(&self, id: u64) {
        self.history.0.lock().unwrap().push(event(id));
        let _ = self.live.send(Line::of(&event(id)));
    }

    pub(crate) fn change_status(&self, change: impl FnOnce(&mut Snapshot)) {
        let mut snapshot = snapshot();
        change(&mut snapshot);
        self.status.send(Arc::new(snapshot)).unwrap();
    }
}

pub(crate) fn event(id: u64) -> Value {
    json!({
        "id": id, "at": "2026-11-23T09:51:11.123Z", "clock_set": true, "boot_id": "b",
        "kind": "trigger", "incident": 3,
        "data": {"sensor": "hall", "sensor_kind": "motion", "effect": "walk-test"},
    })
}

/// 09:51:11.000, a hundred seconds after the boot; a test makes seconds pass.
#[derive(Default)]
pub(crate) struct TestClock(AtomicU32);

impl TestClock {
    pub(crate) fn pass(&self, seconds: u32) {
        self.0.fetch_add(seconds, Relaxed);
    }
}

impl Clock for TestClock {
    fn boot(&self) -> BootTime {
        BootTime::from_secs(100 + u64::from(self.0.load(Relaxed)))
    }

    fn wall(&self) -> WallTime {
        WallTime(MORNING + 1_000 * i64::from(self.0.load(Relaxed)))
    }

    fn boot_id(&self) -> &str {
        "b"
    }
}

pub(crate) fn snapshot() -> Snapshot {
    let sensor = |name: &str, kind, state| SensorStatus {
        name: name.into(),
        kind,
        state,
        since: BootTime::from_secs(90),
    };
    Snapshot {
        status: Status {
            state: "triggered",
            mode: Some(Mode::Away),
            until: Some(BootTime::from_secs(280)),
            gas: GasStatus::WarmingUp,
            incidents: vec![Incident {
                id: IncidentId(3),
                kind: IncidentKind::Intrusion,
                since: BootTime::from_secs(90),
                mode: Some(Mode::Away),
                causes: vec![Cause {
                    sensor: "hall".into(),
                    kind: SensorKind::Motion,
                    first: BootTime::from_secs(90),
                    last: BootTime::from_secs(90),
                    count: 1,
                }],
                confirmed: false,
                acknowledged: None,
                ended: None,
                photos: Vec::new(),
            }],
            sensors: vec![
                sensor("hall", SensorKind::Motion, SensorState::Active),
                sensor("kitchen <gas>", SensorKind::Gas, SensorState::WarmingUp),
            ],
            buzzer: true,
            buzzer_pattern: None,
            exhaust: false,
            troubles: vec![(
                Trouble {
                    code: TroubleCode::Mail,
                    subject: "smtp \"home\"".to_owned(),
                    text: "mail cannot leave: <refused>".to_owned(),
                },
                BootTime::from_secs(95),
            )],
            walk_test: false,
            face_awaited: false,
            tries: Vec::new(),
        },
        stamp: Stamp::now(&TestClock::default()),
        outbox: OutboxSummary {
            waiting: 2,
            oldest: Some(WallTime(1_795_427_470_000)),
        },
        proven: BTreeMap::from([("email".to_owned(), WallTime(1_795_427_460_000))]),
        began_before: BTreeMap::new(),
        errors: BTreeMap::from([("hall".to_owned(), 4)]),
    }
}

pub(crate) fn proxied() -> config::Web {
    config::Web {
        listen: "127.0.0.1:8080".parse().unwrap(),
        tls: None,
        behind_proxy: true,
    }
}

fn configuration() -> Config {
    let second = Duration::from_secs(1);
    Config {
        site: config::Site {
            name: "Home & <Garden>".to_owned(),
            id: "home".to_owned(),
            node: "pi".to_owned(),
        },
        panel: config::Panel {
            on_boot: config::OnBoot::Restore,
            exit_delay: second,
            entry_delay: second,
            siren_time: second,
            clear_after: second,
        },
        gpio: config::Gpio {
            backend: config::GpioBackend::Simulated,
            chip: None,
        },
        sensors: Vec::new(),
        nodemcus: Vec::new(),
        buzzer: None,
        exhaust: None,
        camera: None,
        email: None,
        phone: None,
        contacts: Vec::new(),
        access: None,
        mqtt: None,
        webhooks: Vec::new(),
        web: None,
        store: config::Store {
            path: PathBuf::from("nowhere"),
            keep: second,
            max_size: 1,
        },
        messages: config::Messages {
            give_up: second,
            heartbeat: None,
        },
        drill: None,
        watch: false,
    }
}

struct FakeOutputs;

impl Outputs for FakeOutputs {
    fn exhaust(&self) -> OutputState {
        OutputState {
            active: false,
            changed_ns: 0,
        }
    }

    fn buzzer(&self) -> OutputState {
        OutputState {
            active: true,
            changed_ns: 123_456_789_012,
        }
    }

    fn heard(&self) -> web::Heard {
        web::Heard {
            number: 3,
            steps: &[200, 600],
            repeats: true,
        }
    }
}

/// Two owners and a guest have [`PASSWORD`], two programs a token each; or nobody has anything.
async fn logins(clock: SharedClock, broken: Arc<AtomicBool>, is_first_visit: bool) -> Logins {
    let keep = move |_, _| {
        let kept = !broken.load(Relaxed);
        Box::pin(async move { kept }) as _
    };
    let cost = Cost { kib: 8, passes: 1 };
    if is_first_visit {
        return Logins::new(store::Logins::default(), Box::new(keep), clock, cost);
    }
    let token = |name: &str, secret, right| Token {
        name: name.to_owned(),
        right,
        since: WallTime(MORNING),
        hash: Hash::of(secret),
    };
    let known = store::Logins {
        tokens: vec![
            token("Anna's phone", OWNERS_TOKEN, Right::Owner),
            token("a tablet", GUESTS_TOKEN, Right::Guest),
        ],
        ..store::Logins::default()
    };
    let logins = Logins::new(known, Box::new(keep), clock, cost);
    for (name, right) in [
        ("Anna", Right::Owner),
        ("Maria", Right::Owner),
        ("Ben", Right::Guest),
    ] {
        let by = Actor::owner(Origin::Socket);
        let password = PASSWORD.into();
        let given = logins.set_password(name, Some(right), password, by, Place::CommandLine, None);
        given.await.unwrap();
    }
    logins
}

/// Events as they were pushed; one incident; one photo.
#[derive(Default)]
pub(crate) struct FakeHistory(pub(crate) Mutex<Vec<Value>>);

impl History for FakeHistory {
    fn events(&self, after: u64, limit: usize) -> io::Result<Vec<Value>> {
        let events = self.0.lock().unwrap();
        let later = events
            .iter()
            .filter(|event| event["id"].as_u64() > Some(after));
        Ok(later.take(limit).cloned().collect())
    }

    fn latest(&self, limit: usize) -> io::Result<Vec<Value>> {
        let events = self.0.lock().unwrap();
        Ok(events[events.len().saturating_sub(limit)..].to_vec())
    }

    fn incidents(&self, before: Option<u64>, limit: usize) -> io::Result<Vec<Value>> {
        let ids = [7, 5, 3].into_iter();
        let earlier = ids.filter(|id| before.is_none_or(|before| *id < before));
        Ok(earlier.take(limit).map(incident).collect())
    }

    fn incident(&self, id: u64) -> io::Result<Option<Value>> {
        match id {
            1 | 3 => Ok(Some(detail(id))),
            13 => Err(io::Error::other("the disk is gone")),
            _ => Ok(None),
        }
    }

    fn duress(&self, _: usize) -> io::Result<Vec<Value>> {
        let by = json!({"name": "Anna", "origin": "reader", "right": "owner", "with": ["pin"]});
        Ok(vec![
            json!({"at": "2026-11-23T09:51:11.123Z", "clock_set": true, "by": by}),
        ])
    }

    fn photo(&self, id: u64) -> io::Result<Option<Vec<u8>>> {
        Ok([1, 8].contains(&id).then(|| b"\xff\xd8 a photo".to_vec()))
    }
}

/// Remembers what was done to it.
#[derive(Default)]
pub(crate) struct FakeSim {
    pub(crate) done: Mutex<Vec<String>>,
    faults: Mutex<Value>,
}

impl FakeSim {
    fn does(&self, name: &str, what: String) -> Result<(), String> {
        if name != "hall" && name != "front door" {
            return Err(format!("there is no simulated sensor {name:?}"));
        }
        self.done.lock().unwrap().push(what);
        Ok(())
    }
}

impl Sim for FakeSim {
    fn set_sensor(&self, name: &str, active: bool) -> Result<(), String> {
        self.does(name, format!("{name} {active}"))
    }

    fn pulse(&self, name: &str, length: Duration) -> Result<(), String> {
        self.does(name, format!("{name} {length:?}"))
    }

    fn faults(&self) -> Value {
        let mut all = json!({"smtp": null, "phone": null, "camera": null, "nodemcu": null,
                             "network": null, "finger": null});
        for (what, how) in self
            .faults
            .lock()
            .unwrap()
            .as_object()
            .into_iter()
            .flatten()
        {
            all[what] = how.clone();
        }
        all
    }

    fn set_faults(&self, faults: Value) -> Result<Value, String> {
        if faults.get("smtp").is_none() {
            return Err("no such thing can break; what can: smtp".to_owned());
        }
        *self.faults.lock().unwrap() = faults;
        Ok(self.faults())
    }

    fn lay_finger(&self, finger: Option<&str>) -> Result<(), String> {
        let done = finger.map_or_else(|| "lifted".to_owned(), |name| format!("{name} laid"));
        self.done.lock().unwrap().push(done);
        Ok(())
    }

    fn mails(&self) -> Value {
        json!([{
            "from": "a@example.org", "to": ["b@example.org"], "subject": "<script>alarm</script>",
            "message_id": "<1@home>", "text": "motion in \"hall\"", "received_ns": 5,
            "attachments": [{"name": "photo.jpg", "type": "image/jpeg", "bytes": 10},
                            {"name": "page.html", "type": "text/html", "bytes": 10}],
        }])
    }

    fn attachment(&self, mail: usize, number: usize) -> Option<(String, Vec<u8>)> {
        match (mail, number) {
            (0, 0) => Some(("image/jpeg".to_owned(), b"\xff\xd8 a photo".to_vec())),
            (0, 1) => Some(("text/html".to_owned(), b"<script>1</script>".to_vec())),
            _ => None,
        }
    }

    fn calls(&self) -> Value {
        json!([{"to": "+302100000000", "from": "+15005550006", "words": "Home: motion",
                "status": "completed", "received_ns": 6}])
    }

    fn show_faces(&self, from: Option<&std::path::Path>) -> Result<usize, String> {
        Ok(usize::from(from.is_some()))
    }

    fn decide_call(&self, call: usize, decision: &str) -> Result<(), String> {
        if call > 0 {
            return Err(format!("there is no call {call}"));
        }
        self.done.lock().unwrap().push(format!("call {decision}"));
        Ok(())
    }

    fn surroundings(&self) -> Value {
        json!({"active": ["hall"], "power_switch": true, "finger_reader": false, "faces": [],
               "faces_shown": null, "faults": {"smtp": ["down"]}})
    }

    fn speed(&self) -> Value {
        json!({"speed": 1, "now": "2026-11-23T09:51:11.123Z"})
    }

    fn set_speed(&self, speed: u32) -> Result<(), String> {
        if speed > 60 {
            return Err("the clock runs 1 to 60 times as fast".to_owned());
        }
        self.done.lock().unwrap().push(format!("speed {speed}"));
        Ok(())
    }

    fn cut_power(self: Arc<Self>) -> Result<(), String> {
        self.done.lock().unwrap().push("power off".to_owned());
        Ok(())
    }

    fn scenarios(&self) -> Value {
        json!({"scenarios": [{"name": "burglary"}], "playing": null})
    }

    fn play(self: Arc<Self>, name: &str, state: &str, _: &Inbox) -> Result<(), String> {
        if name != "burglary" {
            return Err(format!("there is no scenario {name:?}"));
        }
        self.done.lock().unwrap().push(format!("{name} in {state}"));
        Ok(())
    }
}
