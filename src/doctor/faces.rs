//! Faces: are the models those that this program knows, and does the child that looks through them
//! work?

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Finding, Part, blocking, late};
use crate::access::face::{FETCH, Looker, NoModel, Start, verified};
use crate::config::{Config, FaceInput};

const PART: Part = Part::Faces;
/// Loading included, on a Pi.
const PATIENCE: Duration = Duration::from_secs(10);
/// A gray wall.
const BLANK: (usize, usize) = (640, 480);

/// Looks at the models, and lets a child of its own look at a picture of nothing. It leaves nothing
/// behind, and does not disturb a running service's.
pub(super) async fn look(config: &Arc<Config>) -> Vec<Finding> {
    let access = config.access.as_ref();
    match access.and_then(|access| access.face.as_ref()) {
        Some(FaceInput::Camera) => {}
        Some(FaceInput::Gpio(_)) | None => return Vec::new(),
    }
    let start = Start {
        kept: None,
        patience: PATIENCE,
        ..Start::of(config)
    };
    let models = start.models.clone();
    match blocking(move || verified(&models)).await {
        None => return vec![late(PART)],
        Some(Err(why)) => return vec![refused(&why)],
        Some(Ok(())) => {}
    }
    let path = start.models.display();
    let right = Finding::ok(PART, "models", format!("both are in {path}, and are right"));
    vec![right, recognition(&start).await]
}

fn refused(why: &NoModel) -> Finding {
    let found = why.to_string();
    let found = found
        .split(&format!(": {FETCH}"))
        .next()
        .unwrap_or_default();
    Finding::error(PART, "models", found, FETCH)
}

async fn recognition(start: &Start) -> Finding {
    let (width, height) = BLANK;
    let mut picture = format!("P5 {width} {height} 255\n").into_bytes();
    picture.resize(picture.len() + width * height, 128);
    let began = Instant::now();
    let look = match Looker::start(start) {
        Ok(mut child) => child.look(&picture).await.map_err(|why| why.to_string()),
        Err(error) => Err(format!("starting to recognise faces: {error}")),
    };
    let error = |found: String| {
        let mend =
            "is there memory left (`free`)? else report it, with what `asfaleia --version` says";
        Finding::error(PART, "recognition", found, mend)
    };
    match look {
        Ok(look) if look.faces == 0 => {
            let found = format!(
                "works, and sees nobody in a picture of a wall ({:.1} s with its loading)",
                began.elapsed().as_secs_f32()
            );
            Finding::ok(PART, "recognition", found)
        }
        Ok(look) => error(format!("sees {} faces in a picture of a wall", look.faces)),
        Err(why) => error(why),
    }
}
