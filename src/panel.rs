//! The one thread that owns the state: event -> step() -> outputs at once, the rest handed over.
//!
//! Nothing in it waits: outputs are switched in the turn of their event, everything that is slow
//! (store, camera, people) is handed to [`Hands`], which never block.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tracing::error;

use crate::actuators::{Buzzer, Exhaust};
use crate::alarm::{
    Action, Alarm, Answer, BootTime, Durable, Event, IncidentId, PhotoId, Status, Trouble,
    TroubleCode,
};
use crate::clock::{SharedClock, Stamp};
use crate::inbox::{Letter, Reply};
use crate::outbox::{AddressBook, Channels, Message, Threads};
use crate::store::{Batch, EventId, EventRow, MessageRow, PhotoRow};

/// Does what the panel hands over. Never blocks, never fails: what goes wrong comes back as an
/// event.
pub trait Hands {
    /// Take photos for this incident.
    fn take_photos(&mut self, incident: IncidentId, count: u32);
    /// Take one photo that belongs to no incident.
    fn try_camera(&mut self);
    /// What is known of a photo that was taken.
    fn photo(&self, incident: IncidentId, photo: PhotoId) -> Option<PhotoRow>;
    /// Commit this, then deliver these rows (or after 20 ms, if the card is slow).
    fn hand_over(&mut self, batch: Batch, rows: Vec<Message>, reply: Option<(Reply, Answer)>);
    /// Nothing to commit: answer at once.
    fn answer(&mut self, reply: Reply, answer: Answer);
    /// A photo for the mails that wait for one.
    fn attach(&mut self, incident: IncidentId, photo: Result<PhotoId, String>);
    /// Stop calling.
    fn stop_calls(&mut self, incident: Option<IncidentId>);
    /// The panel as it is now.
    fn show(&mut self, status: Status, at: &Stamp);
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
    next_event: EventId,
    saved: SavedState,
    shown: Option<Status>,
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
        next_event: EventId,
        clock: SharedClock,
        hands: H,
    ) -> Self {
        Panel {
            saved: SavedState {
                alarm: alarm.durable().clone(),
                threads: book.threads().clone(),
            },
            alarm,
            lines,
            book,
            next_event,
            shown: None,
            clock,
            hands,
            actions: Vec::new(),
        }
    }

    /// Takes letters in order until `stopped` says so, or nobody can write any more. The outputs
    /// stay as they are: a running fan runs on.
    pub fn run(&mut self, letters: &Receiver<Letter>, stopped: impl Fn() -> bool) {
        while !stopped() {
            let letter = match self.deadline() {
                None => letters.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => {
                    let wait = self.clock.boot().until(due);
                    letters.recv_timeout(wait.min(LONGEST_WAIT))
                }
            };
            match letter {
                Ok(letter) => self.turn(letter),
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// When the panel must turn again, whatever else happens.
    pub fn deadline(&mut self) -> Option<BootTime> {
        let buzzer = (self.lines.buzzer.as_mut()).and_then(|it| it.poll(self.clock.boot()));
        self.alarm.deadline().into_iter().chain(buzzer).min()
    }

    /// Deadlines that are due run.
    pub fn tick(&mut self) {
        let now = self.clock.boot();
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
        let mut actions = std::mem::take(&mut self.actions);
        let answer = self.alarm.step(event, at, &mut actions);
        self.switch_outputs(&actions);

        let stamp = Stamp::now(&*self.clock);
        let photo = taken.and_then(|(incident, photo)| self.hands.photo(incident, photo));
        self.hand_over(
            &mut actions,
            &stamp,
            photo,
            reply.map(|reply| (reply, answer)),
        );
        self.actions = actions;

        let status = self.alarm.status();
        if self.shown.as_ref() != Some(&status) {
            self.hands.show(status.clone(), &stamp);
            self.shown = Some(status);
        }
    }

    /// The owner changed who is told, and how.
    pub fn reconfigure(&mut self, channels: Channels) {
        self.book.reconfigure(channels);
    }

    fn switch_outputs(&mut self, actions: &[Action]) {
        let mut fault = None;
        for action in actions {
            match action {
                Action::Exhaust(on) => {
                    if let Some(exhaust) = &mut self.lines.exhaust {
                        fault = Some(("exhaust", exhaust.set(*on).err()));
                    }
                }
                Action::Buzzer(pattern) => {
                    let until = self.alarm.durable().panel.until();
                    let now = self.clock.boot();
                    if let Some(buzzer) = &mut self.lines.buzzer {
                        buzzer.sound(*pattern, until, now);
                        fault = Some(("buzzer", buzzer.fault().map(str::to_owned)));
                    }
                }
                Action::Chirp(pattern) => {
                    let now = self.clock.boot();
                    if let Some(buzzer) = &mut self.lines.buzzer {
                        buzzer.chirp(*pattern, now);
                    }
                }
                Action::TakePhotos { incident, count } => {
                    self.hands.take_photos(*incident, *count);
                }
                Action::TryCamera => self.hands.try_camera(),
                Action::Save(_)
                | Action::Record { .. }
                | Action::Send(_)
                | Action::Call { .. }
                | Action::Attach { .. }
                | Action::StopCalls { .. }
                | Action::SaveRecording(_) => {}
            }
        }
        if let Some((line, fault)) = fault {
            self.note_fault(line, fault);
        }
    }

    /// An output line that cannot be switched is a trouble until it can.
    fn note_fault(&mut self, line: &str, fault: Option<String>) {
        let event = match fault {
            Some(why) => {
                error!(line, why, "switching an output");
                Event::TroubleRaised(Trouble {
                    code: TroubleCode::Output,
                    subject: line.to_owned(),
                    text: format!("the {line} could not be switched: {why}"),
                })
            }
            None => Event::TroubleCleared {
                code: TroubleCode::Output,
                subject: line.to_owned(),
            },
        };
        // Its records go out with this turn's.
        self.alarm.step(event, self.clock.boot(), &mut self.actions);
    }

    fn hand_over(
        &mut self,
        actions: &mut Vec<Action>,
        stamp: &Stamp,
        photo: Option<PhotoRow>,
        reply: Option<(Reply, Answer)>,
    ) {
        actions.append(&mut self.actions);
        let mut batch = Batch::new(stamp.clone());
        let mut rows = Vec::new();
        let mut attached = Vec::new();
        batch.photos.extend(photo);
        for action in actions.drain(..) {
            match action {
                Action::Send(_) | Action::Call { .. } => {
                    rows.extend(self.book.rows(&action, stamp));
                }
                Action::Save(incident) => {
                    batch.incidents.retain(|saved| saved.id != incident.id);
                    batch.incidents.push(incident);
                }
                Action::Record { incident, what } => {
                    batch.events.push(EventRow {
                        id: self.next_event,
                        incident,
                        what,
                    });
                    self.next_event = EventId(self.next_event.0 + 1);
                }
                Action::SaveRecording(recording) => {
                    let text = serde_json::to_string(&recording)
                        .expect("a recording is made of text, numbers and truth values");
                    batch.recordings.push((recording.incident, text));
                }
                Action::Attach { incident, photo } => attached.push((incident, photo)),
                Action::StopCalls { incident } => self.hands.stop_calls(incident),
                Action::Buzzer(_)
                | Action::Chirp(_)
                | Action::Exhaust(_)
                | Action::TakePhotos { .. }
                | Action::TryCamera => {}
            }
        }
        batch.messages = rows.iter().map(|row| message_row(row, true)).collect();
        if *self.alarm.durable() != self.saved.alarm || *self.book.threads() != self.saved.threads {
            self.saved.alarm = self.alarm.durable().clone();
            self.saved.threads = self.book.threads().clone();
            let text = serde_json::to_string(&self.saved)
                .expect("the state is made of maps with text keys, numbers and text");
            batch.state = Some(text);
        }
        if !batch.is_empty() {
            self.hands.hand_over(batch, rows, reply);
        } else if let Some((reply, answer)) = reply {
            self.hands.answer(reply, answer);
        }
        for (incident, photo) in attached {
            self.hands.attach(incident, photo);
        }
    }
}

/// `recv_timeout` counts on a clock that stands still while the machine sleeps.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The store's row of a message.
pub fn message_row(message: &Message, waiting: bool) -> MessageRow {
    let row = message.row(waiting);
    MessageRow {
        id: row.id,
        incident: row.incident,
        channel: row.channel.to_owned(),
        to: row.to,
        waiting: row.waiting,
        body: row.body,
    }
}
