//! What both machines do with an incident that goes on: telling people, once and merged.

use super::action::{About, Action, Notice, Record};
use super::event::Trouble;
use super::incident::{Ending, Incident, IncidentId, PhotoId};
use super::policy::{Held, SensorName, SensorPolicy};
use super::state::{Open, Recording, Seen};
use super::step::Alarm;
use super::time::BootTime;
use std::time::Duration;

/// Ended incidents whose acknowledgement is a line of history; older ones the store alone finds.
const UNSEEN_AT_MOST: usize = 32;

impl Open {
    pub(super) fn new(incident: Incident, held: Vec<Held>) -> Self {
        let causes = incident.causes.iter();
        let untold = causes.map(|cause| (cause.sensor.clone(), cause.count));
        Open {
            untold: untold.collect(),
            incident,
            earlier: Duration::ZERO,
            held,
            called: false,
            last_mail: None,
            photo_until: None,
            photos: Vec::new(),
            confirmed_untold: false,
            ladders_held_back: 0,
        }
    }

    /// Counts one more trigger. `true` if the sensor is new to the incident.
    pub(super) fn count(&mut self, sensor: &SensorPolicy, now: BootTime) -> bool {
        match self
            .untold
            .iter_mut()
            .find(|(name, _)| *name == sensor.name)
        {
            Some((_, count)) => *count += 1,
            None => self.untold.push((sensor.name.clone(), 1)),
        }
        self.incident.count(sensor.name.clone(), sensor.kind, now)
    }
}

impl Alarm {
    pub(super) fn next_incident_id(&mut self) -> IncidentId {
        let id = self.durable.next_incident;
        self.durable.next_incident += 1;
        IncidentId(id)
    }

    /// The first incident that goes on, or the next one.
    pub(super) fn earliest_open(&self) -> IncidentId {
        [&self.durable.intrusion, &self.durable.gas.open]
            .into_iter()
            .flatten()
            .map(|open| open.incident.id)
            .min()
            .unwrap_or(IncidentId(self.durable.next_incident))
    }

    pub(super) fn alarm_notice(&self, open: &Open, sensor: &SensorPolicy, now: BootTime) -> Notice {
        let about = About::Alarm {
            kind: open.incident.kind,
            sensor: sensor.name.clone(),
            sensor_kind: sensor.kind,
            mode: open.incident.mode,
            confirmed: open.incident.confirmed,
        };
        Notice {
            incident: Some(open.incident.id),
            ..Notice::plain(about, now)
        }
    }

    /// The first mail of an incident, with the first photo. It names this sensor; the others are told
    /// of in the follow-up.
    pub(super) fn tell_alarm(
        &self,
        open: &mut Open,
        sensor: &SensorPolicy,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        if open.held.contains(&Held::Email) {
            return;
        }
        let mut notice = self.alarm_notice(open, sensor, now);
        if open.photos.is_empty() && self.policy.burst > 0 {
            open.photo_until = Some(now + self.policy.photo_wait);
            notice.wait_for_photo = open.photo_until;
        } else {
            notice.photos = std::mem::take(&mut open.photos);
        }
        open.untold.retain(|(name, _)| *name != sensor.name);
        open.last_mail = Some(now);
        out.push(Action::Send(notice));
    }

    pub(super) fn take_photos(&self, open: &Open, count: u32, out: &mut Vec<Action>) {
        if count > 0 {
            out.push(Action::TakePhotos {
                incident: open.incident.id,
                count,
            });
        }
    }

    /// When the next follow-up mail is due.
    pub(super) fn follow_up_due(&self, open: &Open) -> Option<BootTime> {
        let last = open.last_mail.filter(|_| open.has_news())?;
        Some(last + self.policy.follow_up)
    }

    /// Sends a follow-up if one is due.
    pub(super) fn follow_up(&self, open: &mut Open, now: BootTime, out: &mut Vec<Action>) {
        if self.follow_up_due(open).is_none_or(|due| due > now) {
            return;
        }
        open.last_mail = Some(now);
        let about = About::FollowUp {
            kind: open.incident.kind,
            triggers: std::mem::take(&mut open.untold),
            confirmed: std::mem::take(&mut open.confirmed_untold),
            ladders_held_back: std::mem::take(&mut open.ladders_held_back),
        };
        out.push(Action::Send(Notice {
            incident: Some(open.incident.id),
            photos: std::mem::take(&mut open.photos),
            ..Notice::plain(about, now)
        }));
    }

    /// A photo is there, or there is none.
    pub(super) fn photo(
        &mut self,
        id: IncidentId,
        photo: Result<PhotoId, String>,
        out: &mut Vec<Action>,
    ) {
        let now = self.volatile.now;
        let open = [&mut self.durable.intrusion, &mut self.durable.gas.open]
            .into_iter()
            .flatten()
            .find(|open| open.incident.id == id);
        let mut attach = true;
        if let Some(open) = open {
            // The first photo settles what the first mail waits for, if it still waits.
            attach = open.photo_until.take().is_some_and(|until| now <= until);
            if let Ok(photo) = photo {
                if !attach {
                    open.photos.push(photo);
                }
                open.incident.photos.push(photo);
                out.push(Action::Save(open.incident.clone()));
            }
        }
        if attach {
            out.push(Action::Attach {
                incident: id,
                photo: photo.clone(),
            });
        }
        let what = match photo {
            Ok(photo) => Record::Photo { photo },
            Err(why) => Record::PhotoFailed { why },
        };
        self.record(Some(id), what, out);
    }

    /// A phone ladder came to its end: the mail and the webhooks say so.
    pub(super) fn nobody_answered(
        &mut self,
        incident: Option<IncidentId>,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        self.record(incident, Record::NobodyAnswered {}, out);
        let contacts = self
            .policy
            .phone
            .as_ref()
            .map_or(0, |phone| phone.rungs.len());
        let about = About::NobodyAnswered {
            contacts: u32::try_from(contacts).unwrap_or(u32::MAX),
        };
        out.push(Action::Send(Notice {
            incident,
            ..Notice::plain(about, now)
        }));
    }

    pub(super) fn all_clear(&self, open: &Open, now: BootTime) -> About {
        let still_open = open
            .incident
            .causes
            .iter()
            .map(|cause| cause.sensor.clone())
            .filter(|name| self.is_inhibited(name))
            .collect();
        About::AllClear {
            kind: open.incident.kind,
            lasted_seconds: open.lasted(now).as_secs(),
            triggers: open.incident.triggers(),
            untold: open.untold.clone(),
            ladders_held_back: open.ladders_held_back,
            still_open,
        }
    }

    /// Closes an incident: its record, its recording, and the last mail of its thread.
    pub(super) fn end_incident(
        &mut self,
        open: &mut Open,
        ending: Ending,
        about: About,
        now: BootTime,
        out: &mut Vec<Action>,
    ) {
        let id = open.incident.id;
        let (how, by) = match &ending {
            Ending::Cleared => ("cleared", None),
            Ending::Disarmed(by) => ("disarmed", Some(by.clone())),
            Ending::Paused(by) => ("paused", Some(by.clone())),
        };
        open.incident.ended = Some((ending, now));
        self.record(
            Some(id),
            Record::IncidentEnded {
                how: how.into(),
                by,
            },
            out,
        );
        out.push(Action::Save(open.incident.clone()));
        if open.incident.acknowledged.is_none() {
            if self.durable.unseen.len() == UNSEEN_AT_MOST {
                self.durable.unseen.remove(0);
            }
            self.durable.unseen.push(open.incident.clone());
        }
        // After a restart, or a very long incident, what is remembered begins too late: what was
        // saved at the trigger explains it better.
        let recording = self.recording(&open.incident);
        if (recording.seen.first()).is_some_and(|first| first.at <= open.incident.since) {
            out.push(Action::SaveRecording(recording));
        }
        // Nobody was told of it (mail is held back until confirmed): nobody needs to hear its end.
        if open.last_mail.is_some() {
            out.push(Action::Send(Notice {
                incident: Some(id),
                photos: std::mem::take(&mut open.photos),
                ..Notice::plain(about, now)
            }));
        }
    }

    pub(super) fn recording(&self, incident: &Incident) -> Recording {
        Recording {
            incident: incident.id,
            mode: incident.mode,
            since: incident.since,
            seen: self.volatile.seen.iter().cloned().collect::<Vec<Seen>>(),
        }
    }

    pub(super) fn trouble(code: super::event::TroubleCode, subject: &str, text: String) -> Trouble {
        Trouble {
            code,
            subject: subject.into(),
            text,
        }
    }

    /// All of these sensors say that they are clear, and are alive.
    pub(super) fn all_clear_known<'a>(
        &self,
        mut names: impl Iterator<Item = &'a SensorName>,
    ) -> bool {
        names.all(|name| self.sensing(name).is_some_and(|s| s.is_clear()))
    }
}
