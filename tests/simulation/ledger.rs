//! The oracle's book: what was handed over, what is on the card, what reached people.

mod closing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use asfaleia::alarm::{About, Incident, IncidentId, Mode, Panel, Record, TroubleCode};
use asfaleia::outbox::{Message, Recipient, Update};
use asfaleia::panel::{Handover, SavedState};

use crate::disk::Image;
use crate::summary::Summary;

/// A trouble that was over less long ago was known.
const JUST_NOW: Duration = Duration::from_secs(3);
/// A slow card is not waited for longer, and a timer wakes a millisecond late.
const COMMIT_MAY_TAKE: Duration = Duration::from_millis(19);
const AT_THE_LATEST: Duration = Duration::from_millis(22);

#[derive(Default)]
pub(crate) struct Ledger {
    /// What is on the card for certain.
    card: Image,
    /// What was handed over since, in order.
    pending: Vec<Handed>,
    /// How much of that may be on the card although it said no.
    denied: Vec<usize>,
    /// Everything of a message, by its `Message-ID`.
    told: BTreeMap<String, Told>,
    /// The `Message-ID` of each number.
    ids: BTreeMap<u64, String>,
    standing: BTreeSet<(TroubleCode, String)>,
    /// When troubles were over.
    over: BTreeMap<(TroubleCode, String), Duration>,
    /// Troubles that the panel has to know of when time goes on.
    expected: Vec<(Duration, (TroubleCode, String))>,
    mode: Option<Mode>,
    /// The turn that goes on is an owner who disarms.
    pub(crate) owner_disarms: bool,
    handed: u64,
    committed: u64,
    card_fails: bool,
    life: u32,
    /// Only what goes on is kept.
    forgetful: bool,
    pub(crate) summary: Summary,
    violations: Vec<String>,
}

struct Handed {
    at: Duration,
    state: Option<String>,
    incidents: Vec<Incident>,
    messages: Vec<(u64, bool, String)>,
    settled: Vec<(String, String)>,
    /// The card took nothing while this waited.
    card_failed: bool,
}

/// One message to one recipient.
struct Told {
    to: Recipient,
    incident: Option<IncidentId>,
    /// It says that nobody answered.
    nobody: bool,
    handed: Duration,
    life: u32,
    committed: bool,
    /// So often did the other side take it.
    taken: u32,
    /// So often may it have taken it once more: a kill before the record, an answer that got lost.
    spare: u32,
    /// By phone: calls to each number.
    calls: BTreeMap<String, u32>,
    tried: bool,
    settled: Option<String>,
}

impl Ledger {
    pub(crate) fn violation(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    pub(crate) fn violations(&self) -> &[String] {
        &self.violations
    }

    // ---- what the program hands over --------------------------------------------------------

    pub(crate) fn panel_hands_over(&mut self, at: Duration, handover: &Handover) {
        for message in &handover.messages {
            self.new_message(at, message);
        }
        for (_, record) in &handover.records {
            match record {
                Record::TroubleRaised { code, subject, .. } => {
                    self.standing.insert((*code, subject.clone()));
                }
                Record::TroubleCleared { code, subject } => {
                    let trouble = (*code, subject.clone());
                    self.standing.remove(&trouble);
                    self.over.insert(trouble, at);
                }
                _ => {}
            }
        }
        let batch = &handover.batch;
        if batch.is_empty() && handover.records.is_empty() {
            return;
        }
        if let Some(state) = &batch.state {
            let mode = read_state(state).alarm.panel.mode();
            if self.mode.is_some() && mode.is_none() && !self.owner_disarms {
                self.violation("the panel is disarmed, and no owner did it");
            }
            self.mode = mode;
        }
        for incident in &batch.incidents {
            self.summary.incidents += u64::from(
                !self.card.incidents.contains_key(&incident.id.0)
                    && !(self.pending.iter())
                        .any(|handed| handed.incidents.iter().any(|it| it.id == incident.id)),
            );
        }
        let messages = (batch.messages.iter())
            .map(|row| (row.id, row.waiting, row.body.clone()))
            .collect();
        self.hand(Handed {
            at,
            state: batch.state.clone(),
            incidents: batch.incidents.clone(),
            messages,
            settled: Vec::new(),
            card_failed: self.card_fails,
        });
    }

    pub(crate) fn outbox_hands_over(&mut self, at: Duration, update: &Update) {
        let mut outcomes = (update.records.iter()).filter_map(|(_, record)| match record {
            Record::Message {
                channel, outcome, ..
            } => {
                let ends = match (&**outcome, &**channel) {
                    ("refused", "phone") => false,
                    (outcome, _) => ENDINGS.contains(&outcome),
                };
                ends.then(|| outcome.clone())
            }
            _ => None,
        });
        let mut settled = Vec::new();
        let mut expected: Vec<(TroubleCode, String)> = Vec::new();
        for row in update.messages.iter().filter(|row| !row.waiting) {
            let id = self.ids.get(&row.id).cloned().unwrap_or_default();
            let outcome = outcomes.next().unwrap_or_else(|| "nothing".to_owned());
            let subject = if row.to.is_empty() { "phone" } else { &row.to };
            match &*outcome {
                "given-up" => expected.push((TroubleCode::GivenUp, subject.to_owned())),
                "refused" => expected.push((path_trouble(row.channel), row.to.clone())),
                _ => {}
            }
            settled.push((id, outcome));
        }
        (self.expected).extend(expected.into_iter().map(|trouble| (at, trouble)));
        self.hand(Handed {
            at,
            state: None,
            incidents: Vec::new(),
            messages: (update.messages.iter())
                .map(|row| (row.id, row.waiting, row.body.clone()))
                .collect(),
            settled,
            card_failed: self.card_fails,
        });
    }

    fn hand(&mut self, handed: Handed) {
        self.handed += 1;
        self.pending.push(handed);
    }

    fn new_message(&mut self, at: Duration, message: &Message) {
        self.summary.messages += 1;
        let told = Told {
            to: message.to.clone(),
            incident: message.incident,
            nobody: matches!(message.notice.about, About::NobodyAnswered { .. }),
            handed: at,
            life: self.life,
            committed: false,
            taken: 0,
            spare: 0,
            calls: BTreeMap::new(),
            tried: false,
            settled: None,
        };
        self.ids.insert(message.id, message.message_id.clone());
        if (self.told.insert(message.message_id.clone(), told)).is_some() {
            self.violation(format!("two messages are called {}", message.message_id));
        }
    }

    // ---- the card ---------------------------------------------------------------------------

    /// The store committed everything that was handed over.
    pub(crate) fn card_took_all(&mut self) {
        self.card_fails = false;
        self.denied.clear();
        let all = self.pending.len();
        self.commit(all);
    }

    /// The card said no; `written`: it has it all the same.
    pub(crate) fn card_failed(&mut self, written: bool) {
        self.card_fails = true;
        for handed in &mut self.pending {
            handed.card_failed = true;
        }
        if written {
            self.denied.push(self.pending.len());
        }
    }

    fn commit(&mut self, count: usize) {
        for handed in self.pending.drain(..count) {
            self.committed += 1;
            put(&mut self.card, &handed);
            for (id, ..) in &handed.messages {
                let id = self.ids.get(id);
                if let Some(told) = id.and_then(|id| self.told.get_mut(id)) {
                    told.committed = true;
                }
            }
            for (id, outcome) in handed.settled {
                if let Some(told) = self.told.get_mut(&id) {
                    told.settled = Some(outcome);
                }
            }
        }
    }

    /// So much was handed over.
    pub(crate) fn mark(&self) -> u64 {
        self.handed
    }

    /// A command of so long ago, with so much handed over, is answered.
    pub(crate) fn answered(&mut self, mark: u64, took: Duration) {
        let early = self.committed < mark && took < COMMIT_MAY_TAKE && !self.card_fails;
        if early || took > AT_THE_LATEST {
            self.violation(format!(
                "a command was answered after {took:?}; committed: {}",
                self.committed >= mark
            ));
        }
    }

    // ---- people -----------------------------------------------------------------------------

    /// A message is about to leave. Committed before, or the card had its time.
    pub(crate) fn leaves(&mut self, id: &str, now: Duration) {
        let (life, card_fails) = (self.life, self.card_fails);
        let Some(told) = self.told.get_mut(id) else {
            return self.violation(format!("message {id} was never handed over"));
        };
        let waited = now.saturating_sub(told.handed);
        let early = !told.committed && waited < COMMIT_MAY_TAKE && !card_fails;
        let first = !std::mem::replace(&mut told.tried, true);
        let late =
            first && told.to == Recipient::Phone && told.life == life && waited > AT_THE_LATEST;
        if early || late {
            self.violation(format!(
                "message {id} left {waited:?} after it was handed over"
            ));
        }
    }

    /// The other side took it; `number` of a call.
    pub(crate) fn taken(&mut self, id: &str, number: Option<&str>) {
        let Some(told) = self.told.get_mut(id) else {
            return self.violation(format!("message {id} was never handed over"));
        };
        match number {
            Some(number) => {
                *told.calls.entry(number.to_owned()).or_default() += 1;
                self.summary.calls += 1;
            }
            None => {
                self.summary.duplicates += u64::from(told.taken > 0);
                self.summary.delivered += 1;
            }
        }
        told.taken += 1;
    }

    /// The other side took it and could not say so.
    pub(crate) fn answer_lost(&mut self, id: &str) {
        self.summary.answers_lost += 1;
        if let Some(told) = self.told.get_mut(id) {
            told.spare += 1;
        }
    }

    /// The state on the card.
    pub(crate) fn state(&self) -> Option<SavedState> {
        self.card.state.as_deref().map(read_state)
    }

    /// The incident is over, committed or not.
    pub(crate) fn has_ended(&self, id: IncidentId) -> bool {
        let handed = self.pending.iter().flat_map(|handed| &handed.incidents);
        handed
            .into_iter()
            .any(|it| it.id == id && it.ended.is_some())
    }

    /// The last state that was handed over, committed or not.
    pub(crate) fn latest_state(&self) -> Option<SavedState> {
        let pending = self.pending.iter().rev();
        let mut states = pending.filter_map(|handed| handed.state.as_deref());
        states.next().map(read_state).or_else(|| self.state())
    }

    /// In a long run without kills the book must not grow itself: what is over is closed.
    pub(crate) fn forget(&mut self) {
        self.forgetful = true;
        self.told.retain(|_, told| told.settled.is_none());
        let told = &self.told;
        self.ids.retain(|_, id| told.contains_key(id));
        self.card.messages.retain(|_, (waits, _)| *waits);
        self.card.incidents.clear();
    }
}

const ENDINGS: [&str; 7] = [
    "delivered",
    "refused",
    "given-up",
    "tested",
    "nobody-answered",
    "acknowledged",
    "canceled",
];

fn path_trouble(channel: &str) -> TroubleCode {
    match channel {
        "email" => TroubleCode::Mail,
        "webhook" => TroubleCode::Webhook,
        _ => TroubleCode::Phone,
    }
}

fn put(image: &mut Image, handed: &Handed) {
    if let Some(state) = &handed.state {
        image.state = Some(state.clone());
    }
    for incident in &handed.incidents {
        let data = serde_json::to_string(incident).expect("an incident can be written");
        image.incidents.insert(incident.id.0, data);
    }
    for (id, waiting, body) in &handed.messages {
        image.messages.insert(*id, (*waiting, body.clone()));
    }
}

pub(crate) fn read_state(text: &str) -> SavedState {
    serde_json::from_str(text).expect("the panel's state can be read")
}

/// The siren is to sound in this state.
pub(crate) fn siren_sounds(state: &SavedState) -> bool {
    matches!(state.alarm.panel, Panel::Triggered { siren: Some(_), .. })
}
