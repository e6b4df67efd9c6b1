//! Looks for faces while one is awaited: frames from the camera, through the child, to the panel.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use super::awaited::{SAME, Sightings, closest};
use super::child::{Looker, NoLook, Start};
use super::embed::Embedding;
use super::message::Look;
use crate::access::Access;
use crate::access::people::People;
use crate::alarm::{Event, Factor, Origin, Status, Trouble, TroubleCode, Who};
use crate::camera::Frame;
use crate::inbox::Inbox;

/// Between two frames: a head needs a moment to turn.
const BETWEEN: Duration = Duration::from_millis(250);
/// After somebody was recognised, and after a camera or child that failed.
const PAUSE: Duration = Duration::from_secs(2);
/// The child is ended when nobody was awaited for so long.
const QUIET: Duration = Duration::from_secs(300);

/// Gives a frame, or says why not.
pub type TakeFrame = Arc<dyn Fn() -> BoxFuture<'static, Result<Frame, String>> + Send + Sync>;

/// What looks for faces.
pub struct Watch {
    /// How the child is started.
    pub start: Start,
    /// The camera.
    pub frame: TakeFrame,
    /// Who is known.
    pub access: Access,
    /// Tells whether a face is awaited.
    pub status: watch::Receiver<Arc<Status>>,
    /// The panel's.
    pub inbox: Inbox,
}

impl Watch {
    /// Until it is dropped. What fails is the trouble `face`, and is tried again.
    pub async fn run(mut self) {
        let mut trouble = OwnTrouble::new(self.inbox.clone());
        let mut child = None;
        loop {
            let awaited = self.status.wait_for(|status| status.face_awaited);
            match (timeout(QUIET, awaited).await, &child) {
                (Ok(Ok(_)), _) => {}
                (Ok(Err(_)), _) => return, // the panel has ended
                (Err(_), Some(_)) => {
                    debug!("nobody was awaited for long: the child that looks is ended");
                    child = None;
                    continue;
                }
                (Err(_), None) => continue,
            }
            child = self.look_while_awaited(child, &mut trouble).await;
        }
    }

    async fn look_while_awaited(
        &self,
        mut child: Option<Looker>,
        trouble: &mut OwnTrouble,
    ) -> Option<Looker> {
        let mut sightings = Sightings::default();
        let began = Instant::now();
        while self.status.borrow().face_awaited {
            let people = self.access.people();
            if people.faces().next().is_none() {
                // There is nobody to be recognised: the camera stays dark.
                sleep(PAUSE).await;
                continue;
            }
            match self.look(&mut child).await {
                Ok(Some(look)) => {
                    trouble.clear();
                    let person = whose(&look, &people);
                    if let Some(sure) = sightings.add(&look, person, began.elapsed()) {
                        info!(person = sure, "recognised");
                        self.inbox.send(Event::Shown {
                            factor: Factor::Face,
                            who: Who::Person(sure),
                            origin: Origin::Reader,
                            duress: false,
                        });
                        sleep(PAUSE).await;
                    }
                    sleep(BETWEEN).await;
                }
                Ok(None) => sleep(PAUSE).await,
                Err(why) => {
                    warn!(why, "no look for a face");
                    trouble.raise(why);
                    sleep(PAUSE).await;
                }
            }
        }
        child
    }

    /// One frame, looked at. `None`: there is no frame, which is a trouble of the camera's.
    async fn look(&self, child: &mut Option<Looker>) -> Result<Option<Look>, String> {
        let frame = match (self.frame)().await {
            Ok(frame) => frame,
            Err(why) => {
                debug!(why, "no frame");
                return Ok(None);
            }
        };
        let looker = match child {
            Some(looker) => looker,
            None => {
                let started = Looker::start(&self.start);
                child.insert(
                    started.map_err(|error| format!("starting to recognise faces: {error}"))?,
                )
            }
        };
        match looker.look(&frame.jpeg).await {
            Ok(look) => Ok(Some(look)),
            Err(broken @ NoLook::Broken(_)) => {
                *child = None;
                Err(broken.to_string())
            }
            // A new one may find the models.
            Err(refused @ NoLook::Refused(_)) => {
                *child = None;
                Err(refused.to_string())
            }
        }
    }
}

/// Whose face it is, if it is like any.
fn whose<'a>(look: &Look, people: &'a People) -> Option<&'a str> {
    let embedding = Embedding::new(look.seen.as_ref()?.embedding.clone()?)?;
    let known = people.faces().map(|(name, template)| (name, &template[..]));
    let (name, similarity) = closest(&embedding, known)?;
    (similarity >= SAME).then_some(name)
}

/// The trouble `face`, raised once for each cause and cleared once.
struct OwnTrouble {
    inbox: Inbox,
    /// The panel was told of it, in these words.
    raised: Option<String>,
}

impl OwnTrouble {
    fn new(inbox: Inbox) -> Self {
        OwnTrouble {
            inbox,
            raised: None,
        }
    }

    fn raise(&mut self, text: String) {
        // Another cause needs another remedy.
        if self.raised.replace(text.clone()).as_ref() != Some(&text) {
            self.inbox.send(Event::TroubleRaised(Trouble {
                code: TroubleCode::Face,
                subject: String::new(),
                text,
            }));
        }
    }

    fn clear(&mut self) {
        if self.raised.take().is_some() {
            self.inbox.send(Event::TroubleCleared {
                code: TroubleCode::Face,
                subject: String::new(),
            });
        }
    }
}

impl Drop for OwnTrouble {
    /// Whoever looks no more has no trouble with it.
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn why_nobody_is_recognised_is_said_anew_when_it_changes() {
        let (inbox, panel) = Inbox::new(Arc::new(SystemClock::new()));
        let mut trouble = OwnTrouble::new(inbox);
        for why in ["hangs", "hangs", "no models"] {
            trouble.raise(why.to_owned());
        }
        trouble.clear();
        trouble.clear();
        trouble.raise("hangs".to_owned());
        drop(trouble);
        let told: Vec<_> = (panel.iter())
            .map(|letter| match letter.event {
                Event::TroubleRaised(trouble) => Some(trouble.text),
                Event::TroubleCleared { .. } => None,
                other => panic!("{other:?}"),
            })
            .collect();
        let told: Vec<_> = told.iter().map(Option::as_deref).collect();
        let (hangs, no_models) = (Some("hangs"), Some("no models"));
        assert_eq!(told, [hangs, no_models, None, hangs, None]);
    }
}
