//! Somebody stands before the camera, and is guided through the views that they are known by.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep};

use super::child::{Looker, NoLook, Start};
use super::embed::Embedding;
use super::enrol::{Unfit, VIEWS, Views, fit};
use super::eyes::STILL;
use super::message::Look;
use super::models::{NoModel, installed};
use super::watch::TakeFrame;
use crate::camera::Frame;

/// Which way to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pose {
    /// Straight into the camera.
    Straight,
    /// To one side.
    Left,
    /// To the other one.
    Right,
    /// Straight again, the chin a little up.
    Up,
    /// And a little down.
    Down,
}

/// How far an enrolment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guided {
    /// Ask for this.
    Look(Pose),
    /// What the camera sees is of no use, and why.
    Unfit(Unfit),
    /// That was it.
    Good,
}

/// Why nobody was enrolled.
#[derive(Debug, thiserror::Error)]
pub enum NotGuided {
    /// One person at a time.
    #[error("another face is being enrolled")]
    Busy,
    /// The models are not there.
    #[error("{0}")]
    Model(#[from] NoModel),
    /// There is nothing to see.
    #[error("the camera gives no picture: {0}")]
    Camera(String),
    /// The system starts no more processes.
    #[error("starting to recognise faces: {0}")]
    Start(#[from] std::io::Error),
    /// What recognises failed.
    #[error("{0}")]
    Look(#[from] NoLook),
    /// Nobody came, or turned as they were asked.
    #[error("no good view was seen for {} s; nothing was changed", PATIENCE.as_secs())]
    NobodyCame,
    /// Whoever asked has left.
    #[error("nobody listens any more")]
    Left,
}

/// For each view.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who is asked to look elsewhere needs a moment to do so.
const MOMENT: Duration = Duration::from_secs(1);

/// The camera, for whoever is enrolled before it.
pub struct Guide {
    frame: TakeFrame,
    one: Mutex<()>,
}

impl Guide {
    /// Before this camera.
    pub fn new(frame: TakeFrame) -> Arc<Self> {
        let one = Mutex::default();
        Arc::new(Guide { frame, one })
    }

    /// What the camera sees now.
    ///
    /// # Errors
    /// Why it sees nothing, in a sentence.
    pub async fn frame(&self) -> Result<Frame, String> {
        (self.frame)().await
    }

    /// The views of whoever stands before the camera, looked at by a child of their own; `say` is
    /// told what to ask for, and when nobody listens to it any more, it ends.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn enrol(
        &self,
        start: &Start,
        say: &mpsc::Sender<Guided>,
    ) -> Result<Vec<Embedding>, NotGuided> {
        let _one = self.one.try_lock().map_err(|_| NotGuided::Busy)?;
        let models = start.models.clone();
        let there = tokio::task::spawn_blocking(move || installed(&models));
        there.await.expect("looking for two files does not panic")?;
        let closely = Start {
            side: STILL,
            ..start.clone()
        };
        let mut child = Looker::start(&closely)?;
        let mut course = Course::default();
        while let Some(pose) = course.wanted() {
            tell(say, Guided::Look(pose)).await?;
            sleep(MOMENT).await;
            let until = Instant::now() + PATIENCE;
            let mut told = None;
            loop {
                if say.is_closed() {
                    return Err(NotGuided::Left);
                }
                if Instant::now() > until {
                    return Err(NotGuided::NobodyCame);
                }
                let frame = self.frame().await.map_err(NotGuided::Camera)?;
                match course.sees(&child.look(&frame.jpeg).await?) {
                    Ok(true) => break,
                    // A good view of another side: they are about to turn.
                    Ok(false) => {}
                    Err(unfit) => {
                        if told.as_ref() != Some(&unfit) {
                            tell(say, Guided::Unfit(unfit.clone())).await?;
                            told = Some(unfit);
                        }
                    }
                }
            }
            tell(say, Guided::Good).await?;
        }
        Ok(course.views())
    }
}

async fn tell(say: &mpsc::Sender<Guided>, what: Guided) -> Result<(), NotGuided> {
    say.send(what).await.map_err(|_| NotGuided::Left)
}

/// What is asked for, in order.
const POSES: [Pose; VIEWS] = [
    Pose::Straight,
    Pose::Left,
    Pose::Right,
    Pose::Up,
    Pose::Down,
];
/// A head that is turned has its nose so far from the middle; one that is not, less far.
const TURNED: f32 = 0.08;

/// The views so far. Pure.
#[derive(Debug, Default)]
struct Course {
    views: Views,
    /// Where the nose was when the head was first turned: left and right are the person's, and a
    /// camera may show a mirror.
    side: f32,
}

impl Course {
    /// What to ask for next; `None`: all is seen.
    fn wanted(&self) -> Option<Pose> {
        POSES.get(self.views.count()).copied()
    }

    /// Takes the view that is wanted; `false`: it is another one.
    fn sees(&mut self, look: &Look) -> Result<bool, Unfit> {
        fit(look)?;
        let seen = look.seen.as_ref().ok_or(Unfit::NoFace)?;
        let turn = seen.quality.turn - 0.5;
        let turned = turn.abs() >= TURNED;
        let wanted = match self.wanted() {
            None => false,
            Some(Pose::Straight | Pose::Up | Pose::Down) => !turned,
            Some(Pose::Left) => turned,
            Some(Pose::Right) => turned && turn * self.side < 0.0,
        };
        if !wanted {
            return Ok(false);
        }
        self.views.add(look)?;
        if self.side == 0.0 && turned {
            self.side = turn;
        }
        Ok(true)
    }

    fn views(self) -> Vec<Embedding> {
        self.views
            .chosen()
            .expect("there is a view for each that was asked for")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::face::{Face, Flaw, Landmarks, Quality, Rect, Seen};

    /// A look at one head; `turn`: 0 is straight ahead.
    fn look(turn: f32, light: f32) -> Look {
        let rect = Rect {
            x: 0.0,
            y: 0.0,
            width: 80.0,
            height: 100.0,
        };
        let mut embedding = vec![0.0; Embedding::LENGTH];
        embedding[0] = 1.0;
        Look {
            number: 1,
            faces: 1,
            seen: Some(Seen {
                face: Face {
                    rect,
                    landmarks: Landmarks::of([[0.0, 0.0]; 5]),
                    likely: 0.9,
                },
                quality: Quality {
                    width: 80.0,
                    light,
                    sharp: 0.1,
                    turn: 0.5 + turn,
                    roll: 0.0,
                },
                embedding: Some(embedding),
                relief_with: Vec::new(),
            }),
        }
    }

    #[test]
    fn each_view_is_taken_when_it_is_asked_for_and_no_sooner() {
        let mut course = Course::default();
        let mut asked = Vec::new();
        for (turn, taken) in [
            (0.2, false), // straight was asked for
            (0.0, true),
            (0.02, false), // to a side
            (-0.2, true),
            (-0.2, false), // to the other one
            (0.0, false),
            (0.2, true),
            (0.2, false), // straight again
            (0.01, true),
            (0.0, true),
        ] {
            asked.extend(course.wanted());
            assert_eq!(course.sees(&look(turn, 120.0)), Ok(taken), "{asked:?}");
        }
        assert_eq!(course.wanted(), None);
        assert_eq!(course.views().len(), VIEWS);
    }

    #[test]
    fn what_is_too_dark_is_refused_and_is_no_view() {
        let mut course = Course::default();
        let dark = Unfit::Flawed(vec![Flaw::Dark]);
        assert_eq!(course.sees(&look(0.0, 20.0)), Err(dark));
        assert_eq!(course.wanted(), Some(Pose::Straight));
    }
}
