//! A drill: a marked test along every path, for real, so that the first message that does not
//! arrive is not that of the burglary.

use super::action::{About, Action, Notice, Record};
use super::event::Actor;
use super::step::Alarm;
use super::time::BootTime;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What became of a drill's test on one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// It is under way, or is tried again.
    Pending,
    /// It arrived.
    Delivered,
    /// It will not.
    Failed,
}

impl Alarm {
    /// Starts one, or says why not now.
    pub(super) fn drill(
        &mut self,
        buzzer: bool,
        relay: bool,
        by: &Actor,
        now: BootTime,
        out: &mut Vec<Action>,
    ) -> Vec<String> {
        // One would be taken for the other, and a drill's call would keep the real one waiting.
        if self.durable.intrusion.is_some() || self.durable.gas.open.is_some() {
            return vec!["an incident goes on; a drill would be taken for a part of it".to_owned()];
        }
        self.record(None, Record::Drill { by: by.clone() }, out);
        let notice = Notice::plain(About::Drill { by: by.clone() }, now);
        if let Some(phone) = &self.policy.phone {
            out.push(Action::Call {
                incident: None,
                notice: notice.clone(),
                rungs: phone.rungs.clone(),
                rounds: 1,
                // A drill asks nobody to acknowledge: one call after the other.
                ack_time: Duration::ZERO,
            });
        }
        let camera = self.policy.burst > 0;
        out.push(Action::Send(Notice {
            wait_for_photo: camera.then(|| now + self.policy.photo_wait),
            ..notice
        }));
        out.push(Action::Prove { camera });
        if buzzer {
            self.try_buzzer(out);
        }
        if relay {
            self.try_relay(now);
        }
        Vec::new()
    }
}
