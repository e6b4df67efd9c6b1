//! Email, phone and webhook against servers on real sockets, with TLS.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod authority;
mod email;
mod heartbeat;
mod https;
#[allow(dead_code, reason = "tests/faults mends it")]
mod mail_server;
mod phone;
mod webhook;
mod words;

use asfaleia::alarm::{
    About, BootTime, IncidentId, IncidentKind, Mode, Notice, PhotoId, SensorKind,
};
use asfaleia::clock::WallTime;
use asfaleia::notify::{Outgoing, Photo};

pub(crate) use mail_server::soon;

/// 2026-11-23 02:13:07 UTC.
pub(crate) const HAPPENED: WallTime = WallTime(1_795_399_987_000);

/// A mail about this, delivered a second after it happened.
pub(crate) fn about(about: About) -> Outgoing {
    Outgoing {
        notice: Notice {
            about,
            incident: Some(IncidentId(17)),
            happened: BootTime::from_secs(100),
            wait_for_photo: None,
            photos: vec![],
        },
        site: "Home".into(),
        happened: HAPPENED,
        now: WallTime(HAPPENED.as_millis() + 1_000),
        clock_set: true,
        photos: vec![],
        photo_missing: None,
        message_id: "17.1@home.asfaleia".into(),
        in_reply_to: None,
        first_call: None,
    }
}

/// Motion in the hall while armed away.
pub(crate) fn burglary() -> Outgoing {
    about(alarm("hall", SensorKind::Motion))
}

/// An alarm of this sensor while armed away.
pub(crate) fn alarm(sensor: &str, sensor_kind: SensorKind) -> About {
    About::Alarm {
        kind: match sensor_kind {
            SensorKind::Gas => IncidentKind::Gas,
            SensorKind::Motion
            | SensorKind::Beam
            | SensorKind::Contact
            | SensorKind::Tamper
            | SensorKind::Panic => IncidentKind::Intrusion,
        },
        sensor: sensor.into(),
        sensor_kind,
        mode: Some(Mode::Away),
        confirmed: false,
    }
}

/// A photo of so many bytes, none of them text.
pub(crate) fn photo(id: u64, bytes: usize) -> Photo {
    let noise = std::iter::repeat_with(|| fastrand::u8(..));
    let jpeg: Vec<u8> = [0xFF, 0xD8].into_iter().chain(noise).take(bytes).collect();
    Photo {
        id: PhotoId(id),
        taken: HAPPENED,
        jpeg: jpeg.into(),
    }
}
