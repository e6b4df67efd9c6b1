//! From what the store found to what the run begins with.

use std::time::Duration;

use tracing::warn;

use super::journal::Proven;
use crate::alarm::{Durable, Started, StoreFound};
use crate::clock::Stamp;
use crate::config::{Config, Contact, OnBoot};
use crate::outbox::Message;
use crate::panel::SavedState;
use crate::store::{Found, Saved};

/// What an earlier run left.
pub struct Restored {
    /// What the panel goes on from.
    pub state: SavedState,
    /// Messages that wait.
    pub messages: Vec<Message>,
    /// When each path last delivered something.
    pub proven: Proven,
    /// The last sign of life.
    pub last_life: Option<Stamp>,
}

/// What the run begins with, and its first event. `first_state` is the panel's where nothing was
/// saved.
pub fn restore(
    found: Found,
    config: &Config,
    now: &Stamp,
    first_state: Durable,
) -> (Restored, Started) {
    let mut started = Started {
        new_boot: true,
        store: StoreFound::Fresh,
        gap: None,
        waiting: 0,
        arm_away: false,
    };
    let mut restored = Restored {
        state: SavedState {
            alarm: first_state,
            ..SavedState::default()
        },
        messages: Vec::new(),
        proven: Proven::new(),
        last_life: None,
    };
    match found {
        Found::Fresh => {}
        Found::Unreadable { why, moved_to } => {
            warn!(
                why,
                ?moved_to,
                "the store cannot be read; the panel arms itself"
            );
            started.store = StoreFound::Unreadable;
        }
        Found::Restored(saved) => {
            let Saved {
                state,
                outdated,
                saved_at,
                last_life,
                messages,
                proven,
            } = *saved;
            started.new_boot = saved_at.boot_id != now.boot_id;
            started.gap = gap(&last_life, now);
            match serde_json::from_str::<SavedState>(&state) {
                Ok(_) if outdated => {
                    warn!(
                        "the store has lost that the panel was armed, as a card does that claims to \
                         have written and has not; the panel arms itself"
                    );
                    started.store = StoreFound::Unreadable;
                }
                Ok(mut state) => {
                    if started.new_boot {
                        // Nothing changed, and so nothing was saved, but it went on.
                        let alive = (last_life.boot_id == saved_at.boot_id)
                            .then(|| last_life.boot.max(saved_at.boot));
                        let alive = alive.unwrap_or(saved_at.boot);
                        state.alarm.rebase(saved_at.boot, alive, now.boot);
                    }
                    // Nothing can be delivered any more to somebody who is not in the file.
                    (state.alarm.given_up).retain(|to, _| is_told(config, to));
                    restored.state = state;
                    started.store = StoreFound::Restored;
                }
                Err(error) => {
                    warn!(%error, "the saved state cannot be read; the panel arms itself");
                    started.store = StoreFound::Unreadable;
                }
            }
            restored.messages = (messages.iter())
                .filter_map(|row| match Message::from_body(&row.body) {
                    Ok(message) => Some(message),
                    Err(error) => {
                        warn!(message = row.id, %error, "a waiting message cannot be read");
                        None
                    }
                })
                .collect();
            restored.proven = proven;
            restored.last_life = Some(last_life);
        }
    }
    started.arm_away = started.new_boot && config.panel.on_boot == OnBoot::Away;
    (restored, started)
}

/// Whether messages go to whom the trouble `given-up` calls this.
fn is_told(config: &Config, to: &str) -> bool {
    let mailed = |contact: &Contact| contact.name == to && contact.email.is_some();
    (to == "phone" && config.phone.is_some())
        || (config.email.is_some() && config.contacts.iter().any(mailed))
        || config.webhooks.iter().any(|webhook| webhook.name == to)
}

/// Time without a sign of life, as well as the clocks tell.
pub(super) fn gap(last: &Stamp, now: &Stamp) -> Option<Duration> {
    if last.boot_id == now.boot_id {
        return Some(now.boot.since(last.boot));
    }
    if !(last.wall.is_set() && now.wall.is_set()) {
        return None;
    }
    let millis = now.wall.as_millis().checked_sub(last.wall.as_millis())?;
    u64::try_from(millis).ok().map(Duration::from_millis)
}
