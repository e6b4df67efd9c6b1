//! Claims output lines and cameras; one that cannot start does not take the others with it.

use std::sync::Arc;

use anyhow::Context;
use tracing::error;

use super::health::raised;
use crate::actuators::{Buzzer, Exhaust, Outputs, Switch};
use crate::alarm::TroubleCode;
use crate::camera::{Camera, FaultSwitch, PhotoShelf};
use crate::config::{Config, OutputLine};
use crate::gpio::Board;
use crate::inbox::Inbox;

/// Claims the buzzer's line, off.
pub(super) fn buzzer(
    config: &Config,
    board: &dyn Board,
    outputs: &Arc<Outputs>,
) -> anyhow::Result<Option<Buzzer>> {
    let line = config.buzzer.as_ref();
    let switch = line.map(|line| switch("buzzer", line, board)).transpose()?;
    Ok(switch.map(|switch| Buzzer::new(switch, outputs.clone())))
}

/// Claims the exhaust relay's line, off.
pub(super) fn exhaust(
    config: &Config,
    board: &dyn Board,
    outputs: &Arc<Outputs>,
) -> anyhow::Result<Option<Exhaust>> {
    let line = config.exhaust.as_ref().map(|exhaust| &exhaust.output);
    let switch = line
        .map(|line| switch("exhaust", line, board))
        .transpose()?;
    Ok(switch.map(|switch| Exhaust::new(switch, outputs.clone())))
}

fn switch(name: &'static str, line: &OutputLine, board: &dyn Board) -> anyhow::Result<Switch> {
    let mut pin = board
        .output(name, line)
        .with_context(|| format!("claiming the line of the {name}"))?;
    Ok(Box::new(move |on| {
        pin.set(on).map_err(|error| error.to_string())
    }))
}

/// One part that cannot start must not take the others with it: it is a trouble, and the house is
/// watched by what there is.
pub(super) fn or_trouble<T>(
    part: anyhow::Result<Option<T>>,
    code: TroubleCode,
    subject: &str,
    inbox: &Inbox,
) -> Option<T> {
    part.unwrap_or_else(|why| {
        error!("{why:#}");
        inbox.send(raised(code, subject, format!("{why:#}")));
        None
    })
}

/// What every camera of this run shares.
pub(super) struct Cameras {
    pub(super) inbox: Inbox,
    pub(super) shelf: PhotoShelf,
    pub(super) fault: FaultSwitch,
}

impl Cameras {
    pub(super) fn start(
        &self,
        config: &Config,
        next: crate::alarm::PhotoId,
    ) -> anyhow::Result<Option<Camera>> {
        let Some(camera) = &config.camera else {
            return Ok(None);
        };
        let runtime = tokio::runtime::Handle::current();
        let (inbox, shelf) = (self.inbox.clone(), self.shelf.clone());
        let camera = Camera::start(camera, inbox, shelf, next, self.fault.clone(), runtime)?;
        Ok(Some(camera))
    }
}
