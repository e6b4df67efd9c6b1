//! What is compared after each death, and in the end.

use super::*;

impl Ledger {
    pub(crate) fn killed(&mut self) {
        self.summary.kills += 1;
        self.standing.clear();
        self.expected.clear();
        for told in self.told.values_mut() {
            if told.settled.is_none() && told.tried {
                told.spare += 1;
            }
        }
    }

    /// The process starts again at `born`, having died at `died`, and finds this on the card.
    /// `torn`: it died while all that was handed over was being written.
    pub(crate) fn reopened(&mut self, found: &Image, died: Duration, torn: bool) {
        if self.forgetful {
            return;
        }
        let mut prefixes = vec![0];
        prefixes.append(&mut self.denied);
        if torn {
            prefixes.push(self.pending.len());
        }
        let mut image = self.card.clone();
        let mut written = (image == *found).then_some(0);
        for count in 1..=self.pending.len() {
            put(&mut image, &self.pending[count - 1]);
            if prefixes.contains(&count) && image == *found {
                written = Some(count);
            }
        }
        match written {
            Some(count) => self.commit(count),
            None => {
                let difference = self.card.difference(found);
                self.violation(format!(
                    "the store holds something else than was committed: {difference}"
                ));
                self.card = found.clone();
            }
        }
        self.lose_pending(died);
        self.card_fails = false;
        self.life += 1;
        self.mode = self.state().and_then(|state| state.alarm.panel.mode());
        self.check_agreement();
    }

    /// What was in the process's memory alone.
    fn lose_pending(&mut self, died: Duration) {
        let mut lost = BTreeSet::new();
        for handed in std::mem::take(&mut self.pending) {
            for incident in &handed.incidents {
                let known = self.card.incidents.contains_key(&incident.id.0);
                if !known && lost.insert(incident.id) {
                    let window = died.saturating_sub(handed.at);
                    self.summary.lost(window, handed.card_failed);
                }
            }
            // Its number will be used again.
            for (id, ..) in &handed.messages {
                if !self.card.messages.contains_key(id) {
                    self.ids.remove(id);
                }
            }
        }
        self.handed = self.committed;
    }

    /// State, incidents and messages were committed together: they tell one story.
    fn check_agreement(&mut self) {
        let Some(state) = self.state() else { return };
        let alarm = &state.alarm;
        let open: Vec<u64> = [&alarm.intrusion, &alarm.gas.open]
            .into_iter()
            .flatten()
            .map(|open| open.incident.id.0)
            .collect();
        let stored: Vec<(u64, Incident)> = (self.card.incidents.iter())
            .map(|(id, data)| (*id, serde_json::from_str(data).expect("an incident")))
            .collect();
        for (id, incident) in &stored {
            if incident.ended.is_none() && !open.contains(id) {
                self.violation(format!(
                    "incident {id} goes on in the store, and the panel knows nothing of it"
                ));
            }
            if *id >= alarm.next_incident {
                self.violation(format!("the number of incident {id} will be used again"));
            }
        }
        for id in open {
            if !self.card.incidents.contains_key(&id) {
                self.violation(format!("the panel's incident {id} is not in the store"));
            }
        }
        let orphans: Vec<u64> = (self.card.messages.iter())
            .filter(|(_, (waits, _))| *waits)
            .filter(|(_, (_, body))| {
                let incident = Message::from_body(body).expect("a message").incident;
                incident.is_some_and(|id| !self.card.incidents.contains_key(&id.0))
            })
            .map(|(id, _)| *id)
            .collect();
        for id in orphans {
            self.violation(format!(
                "message {id} is about an incident that nobody stored"
            ));
        }
    }

    /// The panel has read the letters of every earlier moment: it knows of what was given up.
    pub(crate) fn at_rest(&mut self, now: Duration) {
        for (at, trouble) in std::mem::take(&mut self.expected) {
            if at == now {
                self.expected.push((at, trouble)); // its letter may not have been read
                continue;
            }
            // Another message may have arrived on this path in the same moment.
            let over = (self.over.get(&trouble)).is_some_and(|at| now <= *at + JUST_NOW);
            if !self.standing.contains(&trouble) && !over {
                let (code, subject) = trouble;
                self.violation(format!(
                    "a message was given up, and there is no trouble {} of {subject:?}",
                    code.word()
                ));
            }
        }
    }

    /// Nobody answered, and no mail says so.
    fn ladders_nobody_heard_of(&self) -> Vec<String> {
        let mut owed: BTreeMap<Option<IncidentId>, i32> = BTreeMap::new();
        for told in self.told.values().filter(|told| told.committed) {
            let owed = owed.entry(told.incident).or_default();
            match (&told.to, told.settled.as_deref()) {
                (Recipient::Phone, Some("nobody-answered" | "given-up")) => *owed += 1,
                (Recipient::Email { contact }, _) if contact == "Anna" && told.nobody => *owed -= 1,
                _ => {}
            }
        }
        (owed.into_iter().filter(|(_, owed)| *owed > 0))
            .map(|(incident, owed)| {
                format!(
                    "{owed} times nobody answered the calls of {incident:?}, and no mail says so"
                )
            })
            .collect()
    }

    /// The day is over, and everything has had its time.
    pub(crate) fn closes(&mut self, rounds: u32, clock_was_right: bool) {
        let mut wrong = self.ladders_nobody_heard_of();
        for (id, told) in &self.told {
            if !told.committed {
                continue; // of a window; what it was about is counted with the incidents
            }
            let Some(outcome) = &told.settled else {
                wrong.push(format!("message {id} neither arrived nor was given up"));
                continue;
            };
            if told.to == Recipient::Phone {
                // A call that may have been placed is looked up, if a clock can say since when.
                let calls = rounds + if clock_was_right { 0 } else { told.spare };
                for (number, placed) in &told.calls {
                    if *placed > calls {
                        wrong.push(format!("{placed} calls to {number} for message {id}"));
                    }
                }
                continue;
            }
            let was_told = told.taken > 0 || ["given-up", "refused"].contains(&&**outcome);
            if !was_told {
                wrong.push(format!("message {id} is {outcome}, and never arrived"));
            }
            if told.taken > 1 + told.spare {
                wrong.push(format!(
                    "message {id} arrived {} times, with {} reasons to repeat it",
                    told.taken, told.spare
                ));
            }
            self.summary.given_up += u64::from(told.taken == 0);
        }
        self.violations.append(&mut wrong);
    }
}
