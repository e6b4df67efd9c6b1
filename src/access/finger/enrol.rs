//! Enrolment: two touches of one finger become a template.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::command::{Buffer, Light};
use super::module::{Fault, Module, Touch};
use super::{FingerError, Progress};

/// For somebody to lay or to lift a finger.
const PATIENCE: Duration = Duration::from_secs(30);
/// From one look at the sensor to the next.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// So many pairs of touches.
const TRIES: u32 = 3;

/// Why an enrolment ended without a template.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotEnrolled {
    /// Something to tell the person.
    #[error("{0}")]
    Finger(#[from] FingerError),
    /// The module failed.
    #[error("{0}")]
    Fault(#[from] Fault),
    /// Whoever asked has left.
    #[error("nobody waits for it any more")]
    Left,
}

/// Takes the touches and stores the template in the first slot that is neither in use in the module
/// nor somebody's: a slot that the house still knows must not become another person's finger.
pub(super) async fn enrol(
    module: &mut Module,
    taken: &BTreeSet<u16>,
    progress: &mpsc::Sender<Progress>,
) -> Result<u16, NotEnrolled> {
    let in_use = module.index().await?;
    let free = (0..module.capacity()).find(|slot| !in_use.contains(slot) && !taken.contains(slot));
    let slot = free.ok_or(FingerError::Full)?;
    for _ in 0..TRIES {
        say(progress, Progress::Lay).await?;
        module.show(Light::Lay).await?;
        read(module, Buffer::One, progress).await?;
        if let Some(known) = module.search().await? {
            return Err(FingerError::Known(known).into());
        }
        lift(module, progress).await?;
        say(progress, Progress::LayAgain).await?;
        module.show(Light::Lay).await?;
        read(module, Buffer::Two, progress).await?;
        if module.combine().await? {
            module.store(slot).await?;
            module.show(Light::Known).await?;
            return Ok(slot);
        }
        say(progress, Progress::Different).await?;
        lift(module, progress).await?;
    }
    Err(FingerError::Different.into())
}

/// Waits for a finger that can be read.
async fn read(
    module: &mut Module,
    into: Buffer,
    progress: &mpsc::Sender<Progress>,
) -> Result<(), NotEnrolled> {
    let began = Instant::now();
    let mut said = false;
    while began.elapsed() < PATIENCE {
        match module.touch(into).await? {
            Touch::Read => return Ok(()),
            // Once a touch.
            Touch::Unreadable if !std::mem::replace(&mut said, true) => {
                say(progress, Progress::Unreadable).await?;
            }
            Touch::Unreadable => {}
            Touch::None => said = false,
        }
        wait(progress).await?;
    }
    Err(FingerError::NobodyCame(PATIENCE.as_secs()).into())
}

async fn lift(module: &mut Module, progress: &mpsc::Sender<Progress>) -> Result<(), NotEnrolled> {
    say(progress, Progress::Lift).await?;
    module.show(Light::Lift).await?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if module.is_free().await? {
            return Ok(());
        }
        wait(progress).await?;
    }
    Err(FingerError::NobodyCame(PATIENCE.as_secs()).into())
}

async fn say(progress: &mpsc::Sender<Progress>, what: Progress) -> Result<(), NotEnrolled> {
    (progress.send(what).await).map_err(|_| NotEnrolled::Left)
}

async fn wait(progress: &mpsc::Sender<Progress>) -> Result<(), NotEnrolled> {
    tokio::select! {
        () = progress.closed() => Err(NotEnrolled::Left),
        () = sleep(LOOK_EVERY) => Ok(()),
    }
}
