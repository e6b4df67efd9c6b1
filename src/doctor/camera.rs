//! The camera: what it can, and one picture.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::user::User;
use super::{Finding, Part, Service, blocking, holders, late};
use crate::camera::webcam::{self, Choice};
use crate::camera::{self, CameraError, Picture};
use crate::config::{Camera, CameraDevice, Config};

const PART: Part = Part::Camera;
const SUBJECT: &str = "camera";
/// Opening and settling included; a Pi's own camera takes 5 s.
const PATIENCE: Duration = Duration::from_secs(12);

/// Looks at the camera; takes a picture unless a running service may have it. The picture is kept
/// only in `photo`.
pub(super) async fn look(
    config: &Arc<Config>,
    service: &Service,
    user: &User,
    photo: Option<PathBuf>,
) -> Vec<Finding> {
    let Some(camera) = config.camera.clone() else {
        return Vec::new();
    };
    let user = user.clone();
    let runs = service.may_hold_devices();
    let runtime = tokio::runtime::Handle::current();
    let look = move || {
        let mut findings = device(&camera, &user);
        if findings
            .iter()
            .any(|it| it.verdict == super::Verdict::Error)
        {
            return findings;
        }
        if runs {
            let found = "the service has it: it takes the pictures";
            let mend = "asfaleia test photo";
            findings.push(Finding {
                mend: Some(mend.to_owned()),
                ..Finding::ok(PART, SUBJECT, found)
            });
        } else {
            findings.extend(picture(&camera, runtime, photo));
        }
        findings
    };
    blocking(look).await.unwrap_or_else(|| vec![late(PART)])
}

/// What is there, before a picture is taken.
fn device(camera: &Camera, user: &User) -> Vec<Finding> {
    let path = match &camera.device {
        CameraDevice::Path(path) => path.clone(),
        CameraDevice::Auto => match webcam::webcams().into_iter().next() {
            Some(path) => path,
            // Taking a picture says it.
            None => return Vec::new(),
        },
        CameraDevice::Simulated => {
            let found = "simulated: its pictures show nothing real";
            let mend = "[camera] device = \"auto\", when you mean to guard a house";
            return vec![Finding::warning(PART, SUBJECT, found, mend)];
        }
        CameraDevice::Command(_) | CameraDevice::Url(_) => return Vec::new(),
    };
    let subject = path.display().to_string();
    if let Some((found, mend)) = user.shut_out(&path) {
        return vec![Finding::error(PART, subject, found, mend)];
    }
    let strangers = holders::of(&path)
        .into_iter()
        .filter(|it| !it.is_asfaleia());
    let strangers = strangers.map(|stranger| {
        let found = format!("{} has it open", stranger.words());
        Finding::warning(
            PART,
            subject.as_str(),
            found,
            "end that program: a webcam serves one",
        )
    });
    let mut findings: Vec<Finding> = strangers.collect();
    findings.extend(formats(&path, (camera.width, camera.height)));
    findings
}

/// `None`: it cannot be asked, which taking a picture says with what mends it.
fn formats(path: &Path, wanted: (u32, u32)) -> Option<Finding> {
    let (name, choices) = webcam::named(path).ok()?;
    let subject = path.display().to_string();
    let listed = listed(&choices);
    let has_it = choices.iter().any(|it| (it.width, it.height) == wanted);
    let found = format!("{name}: {listed}");
    let mend = "the nearest size is taken; [camera] width and height choose another";
    Some(match has_it {
        true => Finding::ok(PART, subject, found),
        false => Finding {
            mend: Some(mend.to_owned()),
            ..Finding::ok(PART, subject, found)
        },
    })
}

fn listed(choices: &[Choice]) -> String {
    let mut sizes: Vec<String> = choices.iter().map(Choice::to_string).collect();
    sizes.dedup();
    let more = sizes.len().saturating_sub(8);
    sizes.truncate(8);
    let more = if more > 0 {
        format!(", and {more} more")
    } else {
        String::new()
    };
    match sizes.as_slice() {
        [] => "no format that we can use".to_owned(),
        sizes => format!("{}{more}", sizes.join(", ")),
    }
}

fn picture(
    camera: &Camera,
    runtime: tokio::runtime::Handle,
    photo: Option<PathBuf>,
) -> Vec<Finding> {
    let taken = match camera::take_one(camera, PATIENCE, runtime) {
        Ok(taken) => taken,
        Err(error) => {
            return vec![untaken(&error)];
        }
    };
    let mut findings = vec![Finding::ok(PART, SUBJECT, words(&taken))];
    findings.extend(photo.map(|file| match std::fs::write(&file, &taken.jpeg) {
        Ok(()) => Finding::ok(PART, "photo", format!("kept in {}", file.display())),
        Err(error) => {
            let found = format!("keeping it in {}: {error}", file.display());
            Finding::error(PART, "photo", found, "name a file that you may write")
        }
    }));
    findings
}

fn untaken(error: &CameraError) -> Finding {
    let text = error.to_string();
    match error {
        // They say after a colon what mends them.
        CameraError::NoWebcam
        | CameraError::Gone
        | CameraError::Panicked
        | CameraError::NotHere
        | CameraError::TimedOut { .. } => {
            let (found, mend) = text.split_once(": ").unwrap_or((&text, "check it"));
            Finding::error(PART, SUBJECT, found, mend)
        }
        CameraError::Webcam { .. } | CameraError::Command { .. } | CameraError::Url { .. } => {
            Finding::told(PART, SUBJECT, &text, "[camera] device; try it by hand")
        }
    }
}

fn words(picture: &Picture) -> String {
    let size = match picture.size {
        Some((width, height)) => format!("{width}x{height}"),
        None => "unknown size".to_owned(),
    };
    format!("took a picture: {size}, {} bytes", picture.jpeg.len())
}
