//! Our half of MQTT against a real mosquitto.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use asfaleia::alarm::{self, Actor, Event, GasStatus, Origin, Right, SensorKind, SensorName, Who};
use asfaleia::alarm::{BootTime, SensorState, SensorStatus, Status, TroubleCode};
use asfaleia::clock::SystemClock;
use asfaleia::config::{self, Config, Depth, Login, Mqtt};
use asfaleia::inbox::{Inbox, Letter};
use asfaleia::mqtt::{Broker, Kept};
use asfaleia::sensors::Errors;
use asfaleia::sensors::mqtt::MqttSensors;
use futures_util::FutureExt;
use rumqttc::{AsyncClient, MqttOptions, Packet, PublishOptions, QoS, TlsConfiguration, Transport};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::process::later_address;

/// Longer than anything takes; a test that waits so long has failed.
const WAIT: Duration = Duration::from_secs(60);
const BASE: &str = "home/hall-pi";

/// A broker of our own, ended with the test.
pub(crate) struct Mosquitto {
    child: Child,
    port: u16,
    conf: PathBuf,
    dir: TempDir,
}

impl Mosquitto {
    pub(crate) fn open() -> Self {
        Self::start(|_| "allow_anonymous true\n".into())
    }

    /// With a login and TLS of its own authority, whose certificate is at [`Self::ca_file`].
    fn locked() -> Self {
        Self::start(|dir| {
            let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            fs::write(dir.join("ca.pem"), key.cert.pem()).unwrap();
            fs::write(dir.join("key.pem"), key.signing_key.serialize_pem()).unwrap();
            let passwords = dir.join("passwords");
            let made = Command::new("mosquitto_passwd")
                .args(["-c", "-b"])
                .arg(&passwords)
                .args(["asfaleia", "s3cret"])
                .stderr(Stdio::null())
                .status()
                .expect("mosquitto_passwd is installed with Debian's mosquitto");
            assert!(made.success());
            format!(
                "allow_anonymous false\npassword_file {}\ncertfile {}\nkeyfile {}\n",
                passwords.display(),
                dir.join("ca.pem").display(),
                dir.join("key.pem").display()
            )
        })
    }

    fn start(options: impl FnOnce(&Path) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = later_address().port();
        let conf = dir.path().join("mosquitto.conf");
        // As root it would become another user, who may not read our directory.
        let mut text = format!("user root\npersistence false\nlistener {port} 127.0.0.1\n");
        text += &options(dir.path());
        fs::write(&conf, text).unwrap();
        let child = Self::spawn(&conf, port);
        Mosquitto {
            child,
            port,
            conf,
            dir,
        }
    }

    fn spawn(conf: &Path, port: u16) -> Child {
        let child = Command::new("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(conf)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is installed: apt-get install mosquitto");
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < WAIT, "mosquitto does not listen");
            std::thread::yield_now();
        }
        child
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn come_back(&mut self) {
        self.child = Self::spawn(&self.conf, self.port);
    }

    fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Another program at the same broker.
pub(crate) struct Peer {
    runtime: Runtime,
    client: AsyncClient,
    pub(crate) heard: Receiver<(String, Vec<u8>, bool)>,
}

impl Peer {
    pub(crate) fn at(mosquitto: &Mosquitto) -> Self {
        // Two of the same name would throw each other out.
        let name = format!("peer-{:x}", fastrand::u64(..));
        Self::with(MqttOptions::new(name, ("localhost", mosquitto.port)))
    }

    fn with(mut options: MqttOptions) -> Self {
        options.set_max_packet_size(1 << 20, 1 << 20);
        let runtime = Runtime::new().unwrap();
        let _inside = runtime.enter();
        let (client, mut events) = AsyncClient::builder(options).build();
        let (sender, heard) = channel();
        runtime.spawn(async move {
            loop {
                match events.poll().await {
                    Ok(rumqttc::Event::Incoming(Packet::Publish(it))) => {
                        let topic = String::from_utf8(it.topic.to_vec()).unwrap();
                        let _ = sender.send((topic, it.payload.to_vec(), it.retain));
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        Peer {
            runtime,
            client,
            heard,
        }
    }

    pub(crate) fn subscribe(&self, filter: &str) {
        let asked = self.client.subscribe(filter, QoS::AtLeastOnce);
        self.runtime.block_on(asked).unwrap();
    }

    pub(crate) fn publish(&self, topic: &str, payload: &str, retain: bool) {
        let options = PublishOptions::at_least_once().retain(retain);
        let sent = self.client.publish(topic, payload, options);
        self.runtime.block_on(sent).unwrap();
    }

    /// Waits for a message on this topic that fits.
    fn hears(&self, topic: &str, fits: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let start = Instant::now();
        while let Ok((on, payload, _)) = self.heard.recv_timeout(WAIT) {
            if on == topic && fits(&payload) {
                return payload;
            }
            assert!(start.elapsed() < WAIT, "nothing fits on {topic}");
        }
        panic!("nothing came on {topic}");
    }

    /// Waits for this text on a topic that ends so.
    pub(crate) fn hears_last(&self, topic: &str, text: &str) {
        loop {
            let (on, payload, _) = self.heard.recv_timeout(WAIT).expect("something comes");
            if on.ends_with(topic) && payload == text.as_bytes() {
                return;
            }
        }
    }

    fn hears_text(&self, topic: &str, text: &str) {
        self.hears(topic, |payload| payload == text.as_bytes());
    }
}

/// asfaleia's half: sensors, broker, and what the panel would get.
struct Ours {
    runtime: Runtime,
    letters: Receiver<Letter>,
    errors: Errors,
    status: watch::Sender<Arc<Status>>,
    broker: Broker,
    stop: CancellationToken,
}

impl Ours {
    fn at(mosquitto: &Mosquitto) -> Self {
        Self::with(Self::plain(mosquitto))
    }

    fn plain(mosquitto: &Mosquitto) -> Mqtt {
        Mqtt {
            host: "localhost".into(),
            port: mosquitto.port,
            login: None,
            tls: false,
            ca_file: None,
            discovery: true,
        }
    }

    fn with(mqtt: Mqtt) -> Self {
        Self::after(mqtt, Kept::default())
    }

    /// After configurations that have kept these topics at the broker.
    fn after(mqtt: Mqtt, mut kept: Kept) -> Self {
        let config = config(mqtt);
        let (inbox, letters) = Inbox::new(SystemClock::shared());
        let errors = Errors::default();
        let sensors = MqttSensors::new(&config.sensors, inbox.clone(), errors.clone());
        let topics = sensors.topics().to_vec();
        let (status, shown) = watch::channel(Arc::new(status("disarmed")));
        let verify = Arc::new(|code: SecretString| {
            let annas = code.expose_secret() == "0042";
            let who = annas.then(|| Who::Person("Anna".to_owned()));
            async move { (who.unwrap_or(Who::Stranger), false) }.boxed()
        });
        let take = Box::new(move |message: &asfaleia::mqtt::Message<'_>| sensors.take(message));
        let broker = Broker::new(&config, &topics, take, verify, inbox, shown, &mut kept);
        let broker = broker.unwrap().expect("there is an [mqtt] section");
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (running, until) = (broker.clone(), stop.clone());
        runtime.spawn(async move { running.run(until).await });
        Ours {
            runtime,
            letters,
            errors,
            status,
            broker,
            stop,
        }
    }

    /// The next event that is not about the connection itself.
    fn next(&self) -> Event {
        loop {
            let letter = self.letters.recv_timeout(WAIT);
            match letter.expect("something should have happened").event {
                Event::TroubleCleared { .. } => {}
                event => return event,
            }
        }
    }

    fn next_reading(&self) -> (SensorName, bool, bool) {
        match self.next() {
            Event::Reading(reading) => (reading.sensor, reading.active, reading.found),
            other => panic!("{other:?}"),
        }
    }
}

fn config(mqtt: Mqtt) -> Config {
    let house = r#"
        [site]
        name = "Home"
        id = "home"
        node = "hall-pi"
        [mqtt]
        host = "127.0.0.1"
        [[sensor]]
        name = "kitchen gas"
        kind = "gas"
        mqtt = { topic = "esp/tes", payload-on = "0", payload-off = "1" }
        [[sensor]]
        name = "garage"
        kind = "beam"
        mqtt = { topic = "esp/test", payload-on = "1", payload-off = "0" }
        [[sensor]]
        name = "door"
        kind = "contact"
        mqtt = { topic = "zigbee2mqtt/door", json = "/contact", payload-on = "false", payload-off = "true" }
    "#;
    let loaded = config::parse(house, "test", Depth::Shape);
    Config {
        mqtt: Some(mqtt),
        ..loaded.unwrap_or_else(|it| panic!("{it}")).config
    }
}

fn status(state: &'static str) -> Status {
    Status {
        state,
        mode: None,
        until: None,
        gas: GasStatus::Clear,
        incidents: Vec::new(),
        sensors: vec![SensorStatus {
            name: "garage".into(),
            kind: SensorKind::Beam,
            state: SensorState::Active,
            since: BootTime::ZERO,
        }],
        buzzer: false,
        buzzer_pattern: None,
        exhaust: false,
        troubles: Vec::new(),
        walk_test: false,
        face_awaited: false,
        tries: Vec::new(),
    }
}

/// A peer that has seen asfaleia come online.
fn met(mosquitto: &Mosquitto) -> Peer {
    let peer = Peer::at(mosquitto);
    peer.subscribe(&format!("{BASE}/availability"));
    peer.hears_text(&format!("{BASE}/availability"), "online");
    peer
}

#[test]
fn the_originals_sketches_and_zigbee_are_heard_unchanged() {
    let mosquitto = Mosquitto::open();
    let ours = Ours::at(&mosquitto);
    let peer = met(&mosquitto);
    peer.publish("esp/tes", "0", false);
    assert_eq!(ours.next_reading(), ("kitchen gas".into(), true, false));
    peer.publish("esp/test", "1", false);
    assert_eq!(ours.next_reading(), ("garage".into(), true, false));
    peer.publish("esp/test", "broken", false);
    peer.publish("zigbee2mqtt/door", r#"{"contact":false}"#, false);
    assert_eq!(ours.next_reading(), ("door".into(), true, false));
    assert_eq!(ours.errors.of(&"garage".into()), 1);
}

#[test]
fn a_retained_message_is_a_level_and_a_retained_command_is_ignored() {
    let mosquitto = Mosquitto::open();
    let peer = Peer::at(&mosquitto);
    peer.subscribe("#");
    peer.publish(&format!("{BASE}/panel/set"), "ARM_AWAY", true);
    peer.publish("esp/test", "1", true);
    peer.hears_text("esp/test", "1");
    let ours = Ours::at(&mosquitto);
    assert_eq!(ours.next_reading(), ("garage".into(), true, true));
    peer.hears_text(&format!("{BASE}/availability"), "online");
    peer.publish("esp/test", "0", true);
    assert_eq!(ours.next_reading(), ("garage".into(), false, false));
}

#[test]
fn commands_reach_the_panel_with_the_right_that_they_show() {
    let mosquitto = Mosquitto::open();
    let ours = Ours::at(&mosquitto);
    let peer = met(&mosquitto);
    let by = || Actor {
        right: Right::Bridge,
        ..Actor::owner(Origin::Mqtt)
    };
    let typed = |who| Event::Typed {
        command: alarm::Command::Disarm,
        by: by(),
        who,
        duress: false,
    };
    for (payload, event) in [
        (
            "DISARM",
            Event::Command {
                command: alarm::Command::Disarm,
                by: by(),
            },
        ),
        (
            r#"{"action": "DISARM", "code": "1234"}"#,
            typed(Who::Stranger),
        ),
        (
            r#"{"action": "DISARM", "code": "0042"}"#,
            typed(Who::Person("Anna".into())),
        ),
    ] {
        peer.publish(&format!("{BASE}/panel/set"), payload, false);
        assert_eq!(ours.next(), event, "{payload}");
    }
}

#[test]
fn what_the_panel_shows_is_retained_and_only_changes_are_said_again() {
    let mosquitto = Mosquitto::open();
    let ours = Ours::at(&mosquitto);
    let peer = met(&mosquitto);
    peer.subscribe(&format!("{BASE}/#"));
    peer.hears_text(&format!("{BASE}/panel/state"), "disarmed");
    ours.status.send_replace(Arc::new(status("armed_away")));
    peer.hears_text(&format!("{BASE}/panel/state"), "armed_away");
    let jpeg: Vec<u8> = (0..60_000_u32).map(|byte| byte as u8).collect();
    ours.broker.publish_photo(jpeg.clone().into());
    // Between the two, what did not change is not said again.
    let start = Instant::now();
    loop {
        let (topic, payload, _) = peer.heard.recv_timeout(WAIT).unwrap();
        if topic == format!("{BASE}/photo") {
            assert!(payload == jpeg, "the photo is whole");
            break;
        }
        assert_ne!(topic, format!("{BASE}/sensor/garage/state"));
        assert!(start.elapsed() < WAIT);
    }
    let late = met(&mosquitto);
    late.subscribe(&format!("{BASE}/sensor/garage/state"));
    late.hears_text(&format!("{BASE}/sensor/garage/state"), "ON");
}

#[test]
fn home_assistant_discovers_the_panel_and_every_sensor() {
    let mosquitto = Mosquitto::open();
    let _ours = Ours::at(&mosquitto);
    let peer = met(&mosquitto);
    peer.subscribe("homeassistant/#");
    let mut topics: Vec<String> = (0..7)
        .map(|_| {
            let (topic, payload, retained) = peer.heard.recv_timeout(WAIT).unwrap();
            assert!(retained);
            let document: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            assert_eq!(
                document["availability"][0]["topic"],
                "home/hall-pi/availability"
            );
            topic
        })
        .collect();
    topics.sort();
    let expected = [
        "alarm_control_panel/home_hall-pi_panel",
        "binary_sensor/home_hall-pi_exhaust",
        "binary_sensor/home_hall-pi_sensor_door",
        "binary_sensor/home_hall-pi_sensor_garage",
        "binary_sensor/home_hall-pi_sensor_kitchen_gas",
        "binary_sensor/home_hall-pi_troubles",
        "image/home_hall-pi_photo",
    ]
    .map(|thing| format!("homeassistant/{thing}/config"));
    assert_eq!(topics, expected);
}

#[test]
fn what_a_removed_sensor_kept_at_the_broker_is_removed() {
    let mosquitto = Mosquitto::open();
    let peer = Peer::at(&mosquitto);
    let gone = [
        "home/hall-pi/sensor/attic/state",
        "homeassistant/binary_sensor/home_hall-pi_sensor_attic/config",
    ];
    for topic in gone {
        peer.publish(topic, "kept", true);
        peer.subscribe(topic);
        peer.hears_text(topic, "kept");
    }
    let kept = gone.map(str::to_owned).into();
    let _ours = Ours::after(Ours::plain(&mosquitto), kept);
    for topic in gone {
        peer.hears_text(topic, "");
    }
    // It is the same as if it had never been: a late subscriber is told of it no more.
    let late = met(&mosquitto);
    late.subscribe("homeassistant/#");
    late.subscribe(&format!("{BASE}/#"));
    late.hears_text(&format!("{BASE}/panel/state"), "disarmed");
    let heard = late.heard.try_iter();
    assert!(
        heard
            .map(|(topic, ..)| topic)
            .all(|topic| !topic.contains("attic"))
    );
}

#[test]
fn a_drill_is_proven_when_the_broker_has_acknowledged_it() {
    let mosquitto = Mosquitto::open();
    let ours = Ours::at(&mosquitto);
    let peer = met(&mosquitto);
    peer.subscribe(&format!("{BASE}/drill"));
    // Subscribed in this order: the broker has taken the one before, too.
    peer.subscribe(&format!("{BASE}/panel/state"));
    peer.hears_text(&format!("{BASE}/panel/state"), "disarmed");
    let proven = ours.runtime.block_on(ours.broker.prove("DRILL: a test"));
    assert_eq!(proven, Ok(()));
    peer.hears_text(&format!("{BASE}/drill"), "DRILL: a test");
}

#[test]
fn a_process_that_dies_leaves_its_last_will_and_one_that_stops_says_goodbye() {
    let mosquitto = Mosquitto::open();
    for dies in [true, false] {
        let ours = Ours::at(&mosquitto);
        let peer = met(&mosquitto);
        if dies {
            // Its sockets close without a word, as a killed process's do.
            ours.runtime.shutdown_background();
        } else {
            ours.stop.cancel();
        }
        peer.hears_text(&format!("{BASE}/availability"), "offline");
    }
}

#[test]
fn tls_with_its_own_authority_and_a_login_work_and_a_wrong_password_does_not() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let mosquitto = Mosquitto::locked();
    let login = |password: &str| Mqtt {
        host: "localhost".into(),
        port: mosquitto.port,
        login: Some(Login {
            username: "asfaleia".into(),
            password: password.into(),
        }),
        tls: true,
        ca_file: Some(mosquitto.ca_file()),
        discovery: false,
    };
    let stranger = Ours::with(login("guess"));
    let ours = Ours::with(login("s3cret"));
    let mut options = MqttOptions::new("peer", ("localhost", mosquitto.port));
    options.set_credentials("asfaleia", "s3cret");
    options.set_transport(Transport::tls_with_config(TlsConfiguration::Simple {
        ca: fs::read(mosquitto.ca_file()).unwrap(),
        alpn: None,
        client_auth: None,
    }));
    let peer = Peer::with(options);
    peer.subscribe(&format!("{BASE}/availability"));
    peer.hears_text(&format!("{BASE}/availability"), "online");
    peer.publish("esp/test", "1", false);
    assert_eq!(ours.next_reading(), ("garage".into(), true, false));

    let trouble = stranger.letters.recv_timeout(WAIT).unwrap().event;
    match trouble {
        Event::TroubleRaised(trouble) => {
            assert_eq!(trouble.code, TroubleCode::Mqtt);
            assert!(!trouble.text.contains("guess"), "{}", trouble.text);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_broker_that_was_away_is_a_trouble_until_it_is_back_and_all_is_as_before() {
    let mut mosquitto = Mosquitto::open();
    let ours = Ours::at(&mosquitto);
    let peer = met(&mosquitto);
    drop(peer);
    mosquitto.kill();
    match ours.letters.iter().map(|letter| letter.event).nth(1) {
        Some(Event::TroubleRaised(trouble)) => assert_eq!(trouble.code, TroubleCode::Mqtt),
        other => panic!("{other:?}"),
    }
    mosquitto.come_back();
    let cleared = ours.letters.recv_timeout(WAIT).unwrap().event;
    assert!(matches!(
        cleared,
        Event::TroubleCleared {
            code: TroubleCode::Mqtt,
            ..
        }
    ));
    // The broker kept nothing: all of it is said anew, and the topics are subscribed again.
    let peer = met(&mosquitto);
    peer.subscribe(&format!("{BASE}/panel/state"));
    peer.hears_text(&format!("{BASE}/panel/state"), "disarmed");
    peer.publish("esp/test", "1", false);
    assert_eq!(ours.next_reading(), ("garage".into(), true, false));
}
