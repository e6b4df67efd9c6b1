//! Claims output lines and cameras; one that cannot start does not take the others with it.

use std::sync::Arc;

use anyhow::Context;
use tracing::error;

use super::health::raised;
use crate::actuators::{self, Buzzer, Exhaust, Outputs, Switch};
use crate::alarm::TroubleCode;
use crate::camera::{Camera, FaultSwitch, PhotoShelf};
use crate::clock::SharedClock;
use crate::config::{Config, GpioBackend};
use crate::gpio::{self, Board, GpioError, KeptLines, OutputPin, SimulatedBoard};
use crate::inbox::Inbox;

/// The board that the configuration asks for; and once more, if it is a simulated one.
pub(super) fn board(
    config: &Config,
    clock: &SharedClock,
    kept: KeptLines,
) -> Result<(Arc<dyn Board>, Option<SimulatedBoard>), GpioError> {
    let real = match config.gpio.backend {
        GpioBackend::Simulated => None,
        GpioBackend::GpioChip | GpioBackend::Rppal => {
            match gpio::board(&config.gpio, clock.clone(), kept) {
                Ok(board) => Some(board),
                // A house of nodes and topics alone needs no board.
                Err(_) if !config.has_wires() => None,
                Err(error) => return Err(error),
            }
        }
    };
    Ok(match real {
        // Also without a wire: a reload may bring the first.
        Some(board) => (Arc::from(board), None),
        None => {
            let board = SimulatedBoard::new(clock.clone());
            (Arc::new(board.clone()), Some(board))
        }
    })
}

/// Claims the buzzer's line, off.
pub(super) fn buzzer(
    config: &Config,
    board: &dyn Board,
    outputs: &Arc<Outputs>,
) -> anyhow::Result<Option<Buzzer>> {
    let Some(line) = &config.buzzer else {
        return Ok(None);
    };
    let switch = switch("buzzer", board.output("buzzer", line))?;
    Ok(Some(Buzzer::new(switch, outputs.clone())))
}

/// Claims the exhaust relay's line, as the run before this one left it.
pub(super) fn exhaust(
    config: &Config,
    board: &dyn Board,
    outputs: &Arc<Outputs>,
) -> anyhow::Result<Option<Exhaust>> {
    let Some(exhaust) = &config.exhaust else {
        board.forget_kept(EXHAUST);
        return Ok(None);
    };
    let pin = board.kept_output(EXHAUST, &exhaust.output);
    Ok(Some(Exhaust::new(switch(EXHAUST, pin)?, outputs.clone())))
}

/// What the fan's line is called where it is held for us.
const EXHAUST: &str = "exhaust";

fn switch(name: &str, pin: Result<Box<dyn OutputPin>, GpioError>) -> anyhow::Result<Switch> {
    let pin = pin.with_context(|| format!("claiming the line of the {name}"))?;
    Ok(actuators::switch(pin))
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
