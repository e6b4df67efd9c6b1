//! Owns the broker connection, both ways.
//!
//! In: the topics of sensors, handed on as they come, and commands. Out, retained: what the panel
//! shows of itself, for Home Assistant and other programs. Nothing that is urgent waits for what
//! goes out: telling has a task of its own, and only the latest counts.

pub mod command;
mod connection;
mod discovery;
mod drill;
mod flood;
mod probe;
mod state;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, NetworkOptions, Packet,
    PublishOptions, QoS, SubscribeFilterInput, SubscribeReasonCode,
};
use secrecy::SecretString;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::alarm::{self, Actor, Origin, Right, Status, Trouble, TroubleCode, Who};
use crate::clock::Stamp;
use crate::config::Config;
use crate::inbox::Inbox;

use command::Order;
use flood::Flood;
use state::{Document, Names};

pub use connection::MqttError;
pub use probe::{Refused, knock};

/// A message that came in.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its bytes.
    pub payload: &'a [u8],
    /// The broker had kept it: true at some time, not necessarily news.
    pub retained: bool,
}

/// Takes what comes in on the topics of sensors. Must not block.
pub type Take = Box<dyn Fn(&Message<'_>) + Send + Sync>;

/// Whose code this is, and whether it is typed under duress. After wrong ones it takes its time.
pub type Verify = Arc<dyn Fn(SecretString) -> BoxFuture<'static, (Who, bool)> + Send + Sync>;

/// The broker. Clones share the one connection. Nothing is sent before [`Broker::run`].
#[derive(Clone)]
pub struct Broker(Arc<Shared>);

struct Shared {
    options: MqttOptions,
    server: String,
    names: Names,
    topics: Vec<String>,
    discovery: Vec<Document>,
    /// Topics that an earlier configuration kept at the broker, and this one has no use for.
    forgotten: Vec<String>,
    take: Take,
    verify: Verify,
    inbox: Inbox,
    status: watch::Receiver<Arc<Status>>,
    photo: watch::Sender<Option<Arc<[u8]>>>,
    link: watch::Sender<Link>,
    flood: Flood,
    /// While it runs.
    client: watch::Sender<Option<AsyncClient>>,
}

/// The topics that a configuration keeps at the broker for its sensors.
pub type Kept = BTreeSet<String>;

/// The connection, as it is now.
#[derive(Debug, Clone, PartialEq)]
enum Link {
    /// There is none, and why.
    Down(String),
    /// There is one, with a number of its own.
    Up {
        session: u64,
        /// The broker refused some of the topics: their sensors are not heard.
        deaf: bool,
    },
}

impl Broker {
    /// Away for longer than this is a trouble.
    const AWAY: Duration = Duration::from_secs(10);
    const FIRST_WAIT: Duration = Duration::from_secs(1);
    const LONGEST_WAIT: Duration = Duration::from_secs(30);
    /// At the end, so long for the last words.
    const LAST_WORDS: Duration = Duration::from_secs(1);
    /// A camera's JPEG has 60 kB to 1 MB.
    const LARGEST: usize = 4 << 20;

    /// The broker of a configuration; `None` when there is no `[mqtt]` section. `topics` are those
    /// of the sensors, and `take` gets what comes in on them. `kept` is what earlier configurations
    /// of this process have kept at the broker: what is not there any more is removed, and what is
    /// there now is added.
    pub fn new(
        config: &Config,
        topics: &[String],
        take: Take,
        verify: Verify,
        inbox: Inbox,
        status: watch::Receiver<Arc<Status>>,
        kept: &mut Kept,
    ) -> Result<Option<Self>, MqttError> {
        let Some(mqtt) = &config.mqtt else {
            return Ok(None);
        };
        let names = Names::new(&config.site, &config.sensors);
        let mut discovery = Vec::new();
        if mqtt.discovery {
            discovery = discovery::documents(&names, &config.site, &config.sensors);
        }
        let options = connection::options(mqtt, &names)?;
        let announced = discovery.iter().map(|document| document.topic.clone());
        let now: Kept = announced.chain(names.of_sensors()).collect();
        let forgotten = kept.difference(&now).cloned().collect();
        kept.extend(now);
        Ok(Some(Broker(Arc::new(Shared {
            options,
            server: mqtt.server(),
            topics: topics.to_vec(),
            names,
            discovery,
            forgotten,
            take,
            verify,
            inbox,
            status,
            photo: watch::Sender::new(None),
            link: watch::Sender::new(Link::Down("not connected yet".into())),
            flood: Flood::default(),
            client: watch::Sender::new(None),
        }))))
    }

    /// The last photo, from now on. Never waits; an older one that has not left yet is dropped.
    pub fn publish_photo(&self, jpeg: Arc<[u8]>) {
        self.0.photo.send_replace(Some(jpeg));
    }

    /// Keeps the connection until `stop`; then says that we are offline. May be run again.
    pub async fn run(&self, stop: CancellationToken) {
        let (client, mut events) = AsyncClient::builder(self.0.options.clone()).build();
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        self.0.client.send_replace(Some(client.clone()));
        let (orders, asked) = mpsc::channel(16);
        tokio::select! {
            () = self.0.receive(&client, events, orders) => {}
            () = self.0.tell(&client, &stop) => {}
            () = self.0.obey(asked) => {}
            () = self.0.report() => {}
            () = self.0.flood.report(&self.0.names.command, &self.0.inbox) => {}
            // Also when the broker takes nothing any more.
            () = async { stop.cancelled().await; sleep(Self::LAST_WORDS).await } => {}
        }
    }
}

impl Shared {
    /// Takes what comes in, and connects again whenever the connection is lost.
    async fn receive(
        &self,
        client: &AsyncClient,
        mut events: EventLoop,
        orders: mpsc::Sender<Order>,
    ) {
        let mut session = 0;
        let mut wait = Broker::FIRST_WAIT;
        let mut since = Instant::now();
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    since = Instant::now();
                    let topics = self.topics.iter().chain([&self.names.command]);
                    let filters =
                        topics.map(|topic| SubscribeFilterInput::new(topic, QoS::AtLeastOnce));
                    if let Err(error) = client.try_subscribe_many(filters) {
                        tracing::error!(%error, "subscribing to the sensors' topics");
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(answer))) => {
                    session += 1;
                    let deaf = answer.return_codes.contains(&SubscribeReasonCode::Failure);
                    tracing::info!(server = self.server, deaf, "connected to the MQTT broker");
                    self.link.send_replace(Link::Up { session, deaf });
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    // A topic that is not UTF-8 breaks the protocol, and is nobody's.
                    let topic = std::str::from_utf8(&publish.topic).unwrap_or_default();
                    if topic != self.names.command {
                        (self.take)(&Message {
                            topic,
                            payload: &publish.payload,
                            retained: publish.retain,
                        });
                    } else if !publish.retain {
                        // Retained, it was asked for at some other time, and is ignored.
                        self.pass_on(&publish.payload, &orders);
                    }
                }
                Ok(_) => {}
                Err(ConnectionError::RequestsDone) => return,
                Err(error) => {
                    tracing::debug!(server = self.server, %error, "no connection to the MQTT broker");
                    self.link.send_replace(Link::Down(error.to_string()));
                    // One that is thrown out as soon as it is in does not hammer the broker.
                    if since.elapsed() > Broker::LONGEST_WAIT {
                        wait = Broker::FIRST_WAIT;
                    }
                    sleep(wait).await;
                    wait = (wait * 2).min(Broker::LONGEST_WAIT);
                    since = Instant::now();
                }
            }
        }
    }

    fn pass_on(&self, payload: &[u8], orders: &mpsc::Sender<Order>) {
        let Some(order) = command::parse(payload) else {
            tracing::warn!(topic = self.names.command, "a command that is none");
            return;
        };
        // Full: somebody floods the topic, and each code takes its time to check.
        if orders.try_send(order).is_err() {
            tracing::debug!("too many commands over MQTT at once: one is dropped");
            self.flood.dropped_one();
        }
    }

    /// Hands commands to the panel, with the right that they show.
    async fn obey(&self, mut asked: mpsc::Receiver<Order>) {
        while let Some(Order { command, code }) = asked.recv().await {
            let by = Actor {
                right: Right::Bridge,
                ..Actor::owner(Origin::Mqtt)
            };
            let event = match code {
                None => alarm::Event::Command { command, by },
                Some(code) => {
                    let (who, duress) = (self.verify)(code).await;
                    alarm::Event::Typed {
                        command,
                        by,
                        who,
                        duress,
                    }
                }
            };
            // Answered when it is decided: a wrong code makes the next one wait.
            let _ = self.inbox.ask(event).await;
        }
        std::future::pending().await
    }

    /// Says what the panel shows of itself: all of it on a new connection, then what changes.
    async fn tell(&self, client: &AsyncClient, stop: &CancellationToken) {
        let mut link = self.link.subscribe();
        let mut status = self.status.clone();
        let mut photo = self.photo.subscribe();
        let mut stamp = Stamp::now(&**self.inbox.clock());
        loop {
            let session = tokio::select! {
                // There is nobody to say goodbye to.
                () = stop.cancelled() => return,
                session = session(&mut link) => session,
            };
            for document in &self.discovery {
                self.say(client, &document.topic, document.payload.as_bytes())
                    .await;
            }
            for topic in &self.forgotten {
                // Retained and empty: the broker forgets it.
                self.say(client, topic, b"").await;
            }
            let mut said = HashMap::new();
            status.mark_changed();
            photo.mark_changed();
            self.say(client, &self.names.availability, b"online").await;
            while *link.borrow_and_update() == session {
                tokio::select! {
                    () = stop.cancelled() => {
                        self.say(client, &self.names.availability, b"offline").await;
                        // Both can only fail when the receiving half has ended, and all is over.
                        let _ = client.disconnect().await;
                        return sleep(Broker::LAST_WORDS).await;
                    }
                    changed = link.changed() => if changed.is_err() { return },
                    Ok(()) = status.changed() => {
                        stamp = refreshed(stamp, &self.inbox);
                        let status = status.borrow_and_update().clone();
                        for document in state::documents(&self.names, &status, &stamp) {
                            if said.get(&document.topic) != Some(&document.payload) {
                                self.say(client, &document.topic, document.payload.as_bytes()).await;
                                said.insert(document.topic, document.payload);
                            }
                        }
                    }
                    Ok(()) = photo.changed() => {
                        let jpeg = photo.borrow_and_update().clone();
                        if let Some(jpeg) = jpeg {
                            self.say(client, &self.names.photo, &jpeg).await;
                        }
                    }
                }
            }
        }
    }

    /// Publishes one retained message.
    async fn say(&self, client: &AsyncClient, topic: &str, payload: &[u8]) {
        // The client drops the whole connection over a message that is too large.
        if payload.len() + topic.len() + 16 > Broker::LARGEST {
            tracing::warn!(
                topic,
                bytes = payload.len(),
                "too large for MQTT: not published"
            );
            return;
        }
        // At most once: a connection that loses it is lost itself, and the next one says all anew.
        let options = PublishOptions::at_most_once().retained();
        if let Err(error) = client.publish(topic, payload, options).await {
            tracing::error!(topic, %error, "publishing");
        }
    }

    /// Raises the trouble when the broker is away for too long, and clears it.
    async fn report(&self) {
        let mut link = self.link.subscribe();
        loop {
            if timeout(Broker::AWAY, session(&mut link)).await.is_err() {
                let why = match &*link.borrow() {
                    Link::Down(why) => why.clone(),
                    Link::Up { .. } => continue,
                };
                self.raise(format!(
                    "the MQTT broker {} cannot be reached: {why}; its sensors are not heard",
                    self.server
                ));
            }
            match session(&mut link).await {
                Link::Up { deaf: true, .. } => self.raise(format!(
                    "the MQTT broker {} refuses some topics: \
                     let asfaleia's login read the sensors' topics",
                    self.server
                )),
                Link::Up { deaf: false, .. } | Link::Down(_) => {
                    self.inbox.send(alarm::Event::TroubleCleared {
                        code: TroubleCode::Mqtt,
                        subject: self.server.clone(),
                    });
                }
            }
            if link
                .wait_for(|link| matches!(link, Link::Down(_)))
                .await
                .is_err()
            {
                return;
            }
        }
    }

    fn raise(&self, text: String) {
        tracing::warn!(code = TroubleCode::Mqtt.word(), "{text}");
        self.inbox.send(alarm::Event::TroubleRaised(Trouble {
            code: TroubleCode::Mqtt,
            subject: self.server.clone(),
            text,
        }));
    }
}

/// Waits for a connection.
async fn session(link: &mut watch::Receiver<Link>) -> Link {
    let up = link.wait_for(|link| matches!(link, Link::Up { .. })).await;
    // No reference is held while waiting: the task must be able to move between threads.
    match up.map(|link| link.clone()) {
        Ok(link) => link,
        // The sender is a field of who waits.
        Err(_) => std::future::pending().await,
    }
}

/// The stamp that turns boot times into wall times: kept as long as the wall clock is not set
/// anew, so that the same moment always reads the same.
fn refreshed(stamp: Stamp, inbox: &Inbox) -> Stamp {
    let now = Stamp::now(&**inbox.clock());
    let drift = now.wall.as_millis() - stamp.wall_of(now.boot).as_millis();
    if drift.abs() > 1_000 { now } else { stamp }
}
