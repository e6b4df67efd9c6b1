//! NodeMCUs on serial lines: one task for each finds its port, reads, and comes back after an
//! unplug.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::alarm::{BootTime, Event, Reading, SensorName, Trouble, TroubleCode};
use crate::config::{self, Active, NodeKey, NodePort, Sensor, Source};
use crate::inbox::Inbox;

use super::line::{self, Line, LineBuffer};
use super::port::{OpenError, OpenPort, PortId, Ports};
use super::{Errors, Fold};

/// A node: finds its port, reads its lines, tells the panel.
pub struct Node {
    name: String,
    port: NodePort,
    ports: Ports,
    bound: Vec<Bound>,
    inbox: Inbox,
    errors: Errors,
    noise: Noise,
    /// Ports that spoke for another node: not opened again, as opening resets it.
    foreign: HashSet<PortId>,
    /// Ports that did not speak: not opened again before all others were tried.
    mute: HashSet<PortId>,
    /// The panel was told that the node is gone, in these words.
    gone: Option<String>,
}

/// A sensor of the node.
struct Bound {
    sensor: SensorName,
    key: NodeKey,
    active: Active,
    fold: Fold,
}

/// Why a port is read no longer.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("the cable was pulled, or the port closed")]
    HangUp,
    #[error("reading: {0}")]
    Read(#[source] io::Error),
    #[error("it speaks for the node \"{0}\"")]
    Foreign(String),
    #[error("no line of the node came from it")]
    Mute,
}

impl Node {
    /// Baud of its line.
    pub(super) const BAUD: u32 = 115_200;
    /// From the first failed try to the next; doubles up to [`Self::LONGEST_WAIT`].
    const FIRST_WAIT: Duration = Duration::from_millis(50);
    const LONGEST_WAIT: Duration = Duration::from_secs(2);
    /// A node sends each second, and takes about a second to start. After this long without a line
    /// of ours another port with the same USB ids is tried, if there is one.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// The node, with those of the sensors that name it.
    pub fn new(
        node: &config::NodeMcu,
        sensors: &[Sensor],
        ports: Ports,
        inbox: Inbox,
        errors: Errors,
    ) -> Self {
        let bound = sensors.iter().filter_map(|sensor| match &sensor.source {
            Source::NodeMcu {
                node: of,
                key,
                active,
            } if *of == node.name => Some(Bound {
                sensor: sensor.name.clone(),
                key: *key,
                active: *active,
                fold: Fold::default(),
            }),
            Source::NodeMcu { .. } | Source::Gpio(_) | Source::Mqtt(_) | Source::Simulated => None,
        });
        Node {
            name: node.name.clone(),
            port: node.port.clone(),
            ports,
            bound: bound.collect(),
            inbox,
            errors,
            noise: Noise::default(),
            foreign: HashSet::new(),
            mute: HashSet::new(),
            gone: None,
        }
    }

    /// Watches the node until the future is dropped.
    pub async fn watch(mut self) {
        let mut wait = Self::FIRST_WAIT;
        loop {
            let mut heard = false;
            let lost = self.follow_one_port(&mut heard).await;
            if heard {
                wait = Self::FIRST_WAIT;
            }
            match &lost {
                // The next one may be ours; if there is none, that will be said.
                Lost::Foreign(_) | Lost::Mute => {}
                Lost::Open(_) | Lost::HangUp | Lost::Read(_) => self.say_gone(&lost),
            }
            sleep(wait).await;
            wait = (wait * 2).min(Self::LONGEST_WAIT);
        }
    }

    /// Opens one port and reads it for as long as it goes. Says why it ended.
    async fn follow_one_port(&mut self, heard: &mut bool) -> Lost {
        self.foreign.retain(PortId::is_there);
        let port = match self
            .ports
            .open(&self.port, Self::BAUD, self.avoided())
            .await
        {
            Ok(port) => port,
            Err(error) => {
                self.mute.clear();
                return error.into();
            }
        };
        tracing::info!(node = %self.name, port = %port.path().display(), "opened");
        let lost = self.read(&port, heard).await;
        tracing::info!(node = %self.name, port = %port.path().display(), %lost, "closed");
        match &lost {
            Lost::Foreign(_) => drop(self.foreign.insert(port.id().clone())),
            Lost::Mute => drop(self.mute.insert(port.id().clone())),
            Lost::Open(_) | Lost::HangUp | Lost::Read(_) => {}
        }
        lost
    }

    async fn read(&mut self, port: &OpenPort, heard: &mut bool) -> Lost {
        let mut buffer = LineBuffer::default();
        let mut chunk = [0; 512];
        let mut patience = Instant::now() + Self::PATIENCE;
        loop {
            let read = if *heard {
                port.read(&mut chunk).await
            } else {
                match timeout_at(patience, port.read(&mut chunk)).await {
                    Ok(read) => read,
                    Err(_) if self.ports.has_other(&self.port, port.id(), &self.avoided()) => {
                        return Lost::Mute;
                    }
                    // Alone, it may just be slow: resetting it again would not help.
                    Err(_) => {
                        patience += Self::PATIENCE;
                        continue;
                    }
                }
            };
            let count = match read {
                // Not "nothing yet": a port that hung up says so again and again.
                Ok(0) => return Lost::HangUp,
                Ok(count) => count,
                Err(error) => return Lost::Read(error),
            };
            let at = self.inbox.clock().boot();
            let mut foreign = None;
            buffer.push(&chunk[..count], |line| match line::parse(line) {
                Ok(line) if line.node == self.name => {
                    self.good_line(&line, !*heard, at);
                    *heard = true;
                }
                Ok(line) => foreign = Some(line.node),
                Err(why) => self.bad_line(why),
            });
            match (foreign.map(Lost::Foreign), &self.port) {
                (Some(foreign), NodePort::Usb { .. }) => return foreign,
                // There is no other port to try: a name is wrong, here or on the node.
                (Some(foreign), NodePort::Path(_)) => self.say_gone(&foreign),
                (None, NodePort::Usb { .. } | NodePort::Path(_)) => {}
            }
        }
    }

    fn avoided(&self) -> HashSet<PortId> {
        &self.foreign | &self.mute
    }

    fn good_line(&mut self, line: &Line, first: bool, at: BootTime) {
        // Also at the first line of all: an earlier run of this task may have said so.
        if self.gone.take().is_some() || first {
            self.clear(TroubleCode::NodeGone);
        }
        self.count_line(false);
        for bound in &mut self.bound {
            if first {
                bound.fold = Fold::default();
            }
            let (level, raw) = match bound.key {
                NodeKey::Gas => (line.gas, line.raw),
                NodeKey::Beam => (line.beam, None),
            };
            let Some(level) = level else { continue };
            let reading = Reading {
                sensor: bound.sensor.clone(),
                active: level == (bound.active == Active::High),
                found: first,
                raw,
            };
            if bound.fold.passes(&reading, at) {
                self.inbox.send_at(Event::Reading(reading), at);
            }
        }
    }

    fn bad_line(&mut self, why: line::BadLine) {
        tracing::debug!(node = %self.name, %why, "a bad line");
        for bound in &self.bound {
            self.errors.count(&bound.sensor);
        }
        self.count_line(true);
    }

    fn count_line(&mut self, bad: bool) {
        match self.noise.line(bad) {
            Some(true) => self.raise(
                TroubleCode::LinkNoisy,
                format!(
                    "more than one line in ten from the node \"{}\" is damaged: \
                     check its cable, its ground and its supply",
                    self.name
                ),
            ),
            Some(false) => self.clear(TroubleCode::LinkNoisy),
            None => {}
        }
    }

    fn say_gone(&mut self, why: &Lost) {
        let text = format!(
            "the node \"{}\" on {} is gone: {why}",
            self.name,
            self.ports.describe(&self.port)
        );
        let told = self.gone.replace(text.clone());
        if told.is_none() {
            for bound in &self.bound {
                let sensor = bound.sensor.clone();
                self.inbox.send(Event::Lost { sensor });
            }
        }
        // Another cause needs another remedy.
        if told.as_ref() != Some(&text) {
            self.raise(TroubleCode::NodeGone, text);
        }
    }

    fn raise(&self, code: TroubleCode, text: String) {
        tracing::warn!(node = %self.name, code = code.word(), "{text}");
        self.inbox.send(Event::TroubleRaised(Trouble {
            code,
            subject: self.name.clone(),
            text,
        }));
    }

    fn clear(&self, code: TroubleCode) {
        tracing::info!(node = %self.name, code = code.word(), "is over");
        self.inbox.send(Event::TroubleCleared {
            code,
            subject: self.name.clone(),
        });
    }
}

/// How many of the last hundred lines were bad.
#[derive(Debug, Default)]
struct Noise {
    /// One bit a line, the latest lowest; the first hundred count.
    lines: u128,
    /// How many lines came, up to a hundred.
    heard: u8,
    /// As it was told. `None`: nothing, but an earlier driver of the node may have called it noisy.
    noisy: Option<bool>,
}

impl Noise {
    const WINDOW: u128 = (1 << 100) - 1;

    /// Counts a line. `Some` when the link becomes noisy (more than 10 in 100 bad), or quiet again
    /// (5 or fewer), or after the first hundred if it is not noisy.
    fn line(&mut self, bad: bool) -> Option<bool> {
        self.lines = ((self.lines << 1) | u128::from(bad)) & Self::WINDOW;
        let count = self.lines.count_ones();
        self.heard = (self.heard + 1).min(100);
        let noisy = count > if self.noisy == Some(true) { 5 } else { 10 };
        if self.noisy.is_none() && !noisy && self.heard < 100 {
            return None;
        }
        (self.noisy.replace(noisy) != Some(noisy)).then_some(noisy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_line_in_ten_is_not_noisy_one_in_nine_is() {
        let mut noise = Noise::default();
        let said: Vec<bool> = (0..1_000)
            .filter_map(|line| noise.line(line % 10 == 0))
            .collect();
        assert_eq!(
            said,
            [false],
            "once, for what an earlier driver may have said"
        );
        let mut noise = Noise::default();
        let said: Vec<bool> = (0..1_000)
            .filter_map(|line| noise.line(line % 9 == 0))
            .collect();
        assert_eq!(said, [true]);
    }

    #[test]
    fn a_noisy_link_is_quiet_again_only_well_below_the_limit() {
        let mut noise = Noise::default();
        assert!((0..10).all(|_| noise.line(true).is_none()));
        assert_eq!(noise.line(true), Some(true));
        // One in eleven: better, but not good.
        assert!((0..500).all(|line| noise.line(line % 11 == 0).is_none()));
        let quiet: Vec<bool> = (0..100).filter_map(|_| noise.line(false)).collect();
        assert_eq!(quiet, [false]);
    }
}
