//! The one thread that owns the state: event -> step() -> outputs at once, the rest handed over.
//!
//! Nothing in it waits: outputs are switched in the turn of their event, everything that is slow
//! (store, camera, people) is handed to [`Hands`], which never block.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::error;

use crate::actuators::{Buzzer, Exhaust};
use crate::alarm::{
    Action, Alarm, Answer, BootTime, Calls, Durable, Event, IncidentId, PhotoId, Record, Status,
    Trouble, TroubleCode,
};
use crate::clock::{SharedClock, Stamp};
use crate::inbox::{Letter, Reply};
use crate::outbox::{AddressBook, Channels, Message, Row, Threads};
use crate::store::{Batch, MessageRow, PhotoRow};

/// Does what the panel hands over. Never blocks, never fails: what goes wrong comes back as an
/// event.
pub trait Hands {
    /// Take photos for this incident.
    fn take_photos(&mut self, incident: IncidentId, count: u32);
    /// Take one photo that belongs to no incident.
    fn try_camera(&mut self);
    /// For a drill: try the broker and the camera (as far as there are any), and write it down.
    fn prove(&mut self, camera: bool) {
        let _ = camera;
    }
    /// What is known of a photo that was taken.
    fn photo(&self, incident: IncidentId, photo: PhotoId) -> Option<PhotoRow>;
    /// Commit this, then deliver the messages and answer (or after 20 ms, if the card is slow).
    fn hand_over(&mut self, handover: Handover);
    /// A photo for the mails that wait for one.
    fn attach(&mut self, incident: IncidentId, photo: Result<PhotoId, String>);
    /// Stop calling: somebody acknowledged, or the reason is gone.
    fn stop_calls(&mut self, whose: Calls);
    /// The panel as it is now.
    fn show(&mut self, status: Status);
    /// After [`Event::PolicyChanged`]: what else the new configuration changes for the panel.
    fn reconfigured(&mut self) -> Option<Reconfigured>;
}

/// What one turn leaves to be written down, delivered and answered.
#[derive(Debug)]
pub struct Handover {
    /// Everything but lines of history, which get their numbers when they are written.
    pub batch: Batch,
    /// Lines of history.
    pub records: Vec<(Option<IncidentId>, Record)>,
    /// Messages; their rows are in the batch.
    pub messages: Vec<Message>,
    /// Who waits for what became of the event.
    pub reply: Option<(Reply, Answer)>,
}

/// What a new configuration changes for the panel besides its policy.
pub struct Reconfigured {
    /// Who is told.
    pub channels: Channels,
    /// New output lines, if those have changed.
    pub lines: Option<Lines>,
}

/// What the store keeps of the panel, as JSON.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedState {
    /// Both machines.
    pub alarm: Durable,
    /// The mail threads of recent incidents.
    pub threads: Threads,
}

/// The output lines, as far as there are any.
pub struct Lines {
    /// The buzzer.
    pub buzzer: Option<Buzzer>,
    /// The exhaust relay.
    pub exhaust: Option<Exhaust>,
}

/// Owns the state and the output lines.
pub struct Panel<H> {
    alarm: Alarm,
    lines: Lines,
    book: AddressBook,
    /// As it was handed over last; `None` before the first turn, which always hands it over: from
    /// then on the store is in use, and what else it keeps is found again.
    saved: Option<SavedState>,
    shown: Option<Status>,
    /// Output lines that could not be switched the last time.
    faulty: BTreeSet<&'static str>,
    /// The fan's line could not be switched: when it is tried again.
    fan_again: Option<BootTime>,
    clock: SharedClock,
    hands: H,
    actions: Vec<Action>,
}

impl<H: Hands> Panel<H> {
    /// A panel that goes on from what was saved.
    pub fn new(
        alarm: Alarm,
        lines: Lines,
        book: AddressBook,
        clock: SharedClock,
        hands: H,
    ) -> Self {
        Panel {
            saved: None,
            alarm,
            lines,
            book,
            shown: None,
            faulty: BTreeSet::new(),
            fan_again: None,
            clock,
            hands,
            actions: Vec::new(),
        }
    }

    /// Takes letters in order until `stopped` says so, or nobody can write any more. What was in
    /// the queue at the stop is still taken, up to 4,096 letters: an alarm that was on its way is
    /// committed. The outputs stay as they are: a running fan runs on.
    pub fn run(&mut self, letters: &Receiver<Letter>, stopped: impl Fn() -> bool) {
        while !stopped() {
            let letter = match self.deadline() {
                None => letters.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => {
                    let wait = self.clock.lasts(self.clock.boot().until(due));
                    letters.recv_timeout(wait.min(LONGEST_WAIT))
                }
            };
            match letter {
                Ok(letter) => self.turn(letter),
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        for letter in letters.try_iter().take(LAST_LETTERS) {
            self.turn(letter);
        }
    }

    /// When the panel must turn again, whatever else happens.
    pub fn deadline(&mut self) -> Option<BootTime> {
        let buzzer = self.play();
        let again = self.fan_again;
        [self.alarm.deadline(), buzzer, again]
            .into_iter()
            .flatten()
            .min()
    }

    /// Makes the buzzer's edge that is due. Returns when the next one is.
    fn play(&mut self) -> Option<BootTime> {
        let due = (self.lines.buzzer.as_mut()?).poll(self.clock.boot());
        let Some(fault) = self.note_buzzer() else {
            return due;
        };
        self.turn_all(vec![fault]);
        // Deadlines ran in that turn, too: something else may sound now.
        (self.lines.buzzer.as_mut()?).poll(self.clock.boot())
    }

    /// Deadlines that are due run.
    pub fn tick(&mut self) {
        let now = self.clock.boot();
        if self.fan_again.is_some_and(|due| due <= now) {
            let wanted = Action::Exhaust(self.alarm.status().exhaust);
            let faults = self.switch_outputs(&[wanted]);
            self.turn_all(faults);
        }
        if self.alarm.deadline().is_some_and(|due| due <= now) {
            self.turn(Letter {
                event: Event::Tick,
                at: now,
                reply: None,
            });
        }
    }

    /// One event, all the way.
    pub fn turn(&mut self, letter: Letter) {
        let Letter { event, at, reply } = letter;
        let taken = match event {
            Event::PhotoTaken { incident, photo } => Some((incident, photo)),
            _ => None,
        };
        let new_policy = matches!(event, Event::PolicyChanged(_));
        let mut actions = std::mem::take(&mut self.actions);
        let answer = self.alarm.step(event, at, &mut actions);
        let mut faults = self.switch_outputs(&actions);
        self.take_photos(&actions);
        if new_policy {
            faults.extend(self.reconfigure());
        }

        // Before the answer leaves: whoever commanded must see what it did.
        let status = self.alarm.status();
        if self.shown.as_ref() != Some(&status) {
            self.hands.show(status.clone());
            self.shown = Some(status);
        }

        let stamp = Stamp::now(&*self.clock);
        let photo = taken.and_then(|(incident, photo)| self.hands.photo(incident, photo));
        self.hand_over(
            &mut actions,
            &stamp,
            photo,
            reply.map(|reply| (reply, answer)),
        );
        self.actions = actions;
        // Each a turn of its own: a deadline that runs in it may switch outputs again.
        self.turn_all(faults);
    }

    fn turn_all(&mut self, events: Vec<Event>) {
        for event in events {
            self.turn(Letter {
                event,
                at: self.clock.boot(),
                reply: None,
            });
        }
    }

    fn reconfigure(&mut self) -> Vec<Event> {
        let Some(Reconfigured { channels, lines }) = self.hands.reconfigured() else {
            return Vec::new();
        };
        self.book.reconfigure(channels);
        let Some(lines) = lines else {
            return Vec::new();
        };
        self.lines = lines;
        // What was wrong with the old lines is over; the new ones are tried now.
        self.faulty.clear();
        self.fan_again = None;
        let over = ["exhaust", "buzzer"].map(|line| Event::TroubleCleared {
            code: TroubleCode::Output,
            subject: line.to_owned(),
        });
        let status = self.alarm.status();
        let faults = self.switch_outputs(&[
            Action::Exhaust(status.exhaust),
            Action::Buzzer(status.buzzer_pattern),
        ]);
        over.into_iter().chain(faults).collect()
    }

    /// Switches what must not wait. Returns troubles that began or
    /// ended: an output line that cannot be switched is one until it can.
    fn switch_outputs(&mut self, actions: &[Action]) -> Vec<Event> {
        let mut faults = Vec::new();
        for action in actions {
            match action {
                Action::Exhaust(on) => {
                    if let Some(exhaust) = &mut self.lines.exhaust {
                        let fault = exhaust.set(*on).err();
                        let again = self.clock.boot() + FAN_AGAIN_AFTER;
                        self.fan_again = fault.is_some().then_some(again);
                        faults.extend(self.note_fault("exhaust", fault));
                    }
                }
                Action::Buzzer(pattern) => {
                    let until = self.alarm.durable().panel.until();
                    let now = self.clock.boot();
                    if let Some(buzzer) = &mut self.lines.buzzer {
                        buzzer.sound(*pattern, until, now);
                    }
                    faults.extend(self.note_buzzer());
                }
                Action::Chirp(pattern) => {
                    let now = self.clock.boot();
                    if let Some(buzzer) = &mut self.lines.buzzer {
                        buzzer.chirp(*pattern, now);
                    }
                    faults.extend(self.note_buzzer());
                }
                Action::TakePhotos { .. }
                | Action::TryCamera
                | Action::Prove { .. }
                | Action::Save(_)
                | Action::Record { .. }
                | Action::AcknowledgeEnded { .. }
                | Action::RecordDuress { .. }
                | Action::Send(_)
                | Action::Call { .. }
                | Action::Attach { .. }
                | Action::StopCalls { .. }
                | Action::SaveRecording(_) => {}
            }
        }
        faults
    }

    /// After the outputs: the camera's thread, once woken, may take this one's core for
    /// milliseconds.
    fn take_photos(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::TakePhotos { incident, count } => {
                    self.hands.take_photos(*incident, *count);
                }
                Action::TryCamera => self.hands.try_camera(),
                Action::Prove { camera } => self.hands.prove(*camera),
                Action::Buzzer(_)
                | Action::Chirp(_)
                | Action::Exhaust(_)
                | Action::Save(_)
                | Action::Record { .. }
                | Action::AcknowledgeEnded { .. }
                | Action::RecordDuress { .. }
                | Action::Send(_)
                | Action::Call { .. }
                | Action::Attach { .. }
                | Action::StopCalls { .. }
                | Action::SaveRecording(_) => {}
            }
        }
    }

    /// The trouble that the buzzer's last edge began or ended, if it did.
    fn note_buzzer(&mut self) -> Option<Event> {
        let fault = self.lines.buzzer.as_ref()?.fault().map(str::to_owned);
        self.note_fault("buzzer", fault)
    }

    /// The trouble that this began or ended, if it did.
    fn note_fault(&mut self, line: &'static str, fault: Option<String>) -> Option<Event> {
        match fault {
            Some(why) => self.faulty.insert(line).then(|| {
                error!(line, why, "switching an output");
                Event::TroubleRaised(Trouble {
                    code: TroubleCode::Output,
                    subject: line.to_owned(),
                    text: format!("the {line} could not be switched: {why}"),
                })
            }),
            None => self.faulty.remove(line).then(|| Event::TroubleCleared {
                code: TroubleCode::Output,
                subject: line.to_owned(),
            }),
        }
    }

    fn hand_over(
        &mut self,
        actions: &mut Vec<Action>,
        stamp: &Stamp,
        photo: Option<PhotoRow>,
        reply: Option<(Reply, Answer)>,
    ) {
        let mut batch = Batch::new(stamp.clone());
        let mut records = Vec::new();
        let mut messages = Vec::new();
        let mut attached = Vec::new();
        let mut stopped = Vec::new();
        batch.photos.extend(photo);
        for action in actions.drain(..) {
            match action {
                Action::Send(_) | Action::Call { .. } => {
                    messages.extend(self.book.rows(&action, stamp));
                }
                Action::Save(incident) => {
                    batch.incidents.retain(|saved| saved.id != incident.id);
                    batch.incidents.push(incident);
                }
                Action::Record { incident, what } => records.push((incident, what)),
                Action::AcknowledgeEnded { by, before } => batch.acknowledged = Some((by, before)),
                Action::RecordDuress { by } => batch.duress.push(by),
                Action::SaveRecording(recording) => {
                    let text = serde_json::to_string(&recording)
                        .expect("a recording is made of text, numbers and truth values");
                    batch.recordings.push((recording.incident, text));
                }
                Action::Attach { incident, photo } => attached.push((incident, photo)),
                Action::StopCalls { whose } => stopped.push(whose),
                Action::Buzzer(_)
                | Action::Chirp(_)
                | Action::Exhaust(_)
                | Action::TakePhotos { .. }
                | Action::TryCamera
                | Action::Prove { .. } => {}
            }
        }
        batch.messages = messages
            .iter()
            .map(|it| message_row(it.row(true)))
            .collect();
        let saved = self.saved.as_ref().is_some_and(|saved| {
            saved.alarm == *self.alarm.durable() && saved.threads == *self.book.threads()
        });
        if !saved {
            let state = SavedState {
                alarm: self.alarm.durable().clone(),
                threads: self.book.threads().clone(),
            };
            let text = serde_json::to_string(&state)
                .expect("the state is made of maps with text keys, numbers and text");
            batch.state = Some(text);
            self.saved = Some(state);
        }
        if !batch.is_empty() || !records.is_empty() || reply.is_some() {
            self.hands.hand_over(Handover {
                batch,
                records,
                messages,
                reply,
            });
        }
        // After the rows: a call of the same turn (its deadline ran before somebody disarmed) must
        // be there to be stopped.
        for whose in stopped {
            self.hands.stop_calls(whose);
        }
        for (incident, photo) in attached {
            self.hands.attach(incident, photo);
        }
    }
}

/// At the stop; a turn takes microseconds, and the stop waits 2 s for the panel.
const LAST_LETTERS: usize = 4_096;
/// A fan that cannot be switched is tried again and again: gas does not wait.
const FAN_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// `recv_timeout` counts on a clock that stands still while the machine sleeps.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The store's row of a message.
pub fn message_row(row: Row) -> MessageRow {
    MessageRow {
        id: row.id,
        incident: row.incident,
        channel: row.channel.to_owned(),
        to: row.to,
        waiting: row.waiting,
        body: row.body,
    }
}
