//! `asfaleia doctor`: what was found of each configured thing, and what mends it.
//!
//! One file a subject. Each gathers facts and judges them apart, so that the judgement can be
//! tried without the device. Everything is looked at side by side, nothing longer than
//! [`PATIENCE`], and nothing is changed. What a running service holds is not taken from it: it is
//! asked instead.

mod camera;
mod configuration;
mod disk;
mod faces;
mod fingers;
mod gpio;
mod holders;
mod machine;
mod messages;
mod mqtt;
mod secrets;
mod serial;
mod service;
mod user;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::config::Config;
use crate::web::StatusBody;

pub use user::User;

/// No probe takes longer: all of them run side by side, and doctor ends within 20 s.
pub const PATIENCE: Duration = Duration::from_secs(15);
/// A server on the network answers within this, step by step.
const NETWORK: Duration = Duration::from_secs(10);

/// What is to be looked at, and what may be done.
#[derive(Debug)]
pub struct Visit {
    /// The configuration.
    pub config: PathBuf,
    /// What the service says of itself.
    pub service: Service,
    /// Send a test mail to every contact.
    pub send: bool,
    /// Keep the picture here.
    pub photo: Option<PathBuf>,
}

/// The service, as its socket shows it.
#[derive(Debug)]
pub enum Service {
    /// It answered.
    Runs(Box<StatusBody>),
    /// There is nobody at its socket.
    IsNotThere,
    /// We have no right to its socket.
    IsNotForUs,
    /// It does not answer as it should, and how.
    IsSilent(String),
}

impl Service {
    /// It may have the devices open.
    fn may_hold_devices(&self) -> bool {
        match self {
            Service::Runs(_) | Service::IsNotForUs | Service::IsSilent(_) => true,
            Service::IsNotThere => false,
        }
    }
}

/// What a finding is about. Findings are shown in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The file.
    Configuration,
    /// The running service, systemd's unit, its user.
    Service,
    /// Files that hold secrets.
    Secrets,
    /// Chip and lines.
    Gpio,
    /// Nodes and readers on serial ports.
    Serial,
    /// The camera.
    Camera,
    /// What recognises faces.
    Faces,
    /// The mail server.
    Mail,
    /// The telephone service.
    Phone,
    /// Webhooks, and the heartbeat.
    Webhook,
    /// The broker.
    Mqtt,
    /// Is it set?
    Clock,
    /// Voltage, heat.
    Power,
    /// The store's disk.
    Disk,
}

impl Part {
    /// As in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Part::Configuration => "configuration",
            Part::Service => "service",
            Part::Secrets => "secrets",
            Part::Gpio => "gpio",
            Part::Serial => "serial",
            Part::Camera => "camera",
            Part::Faces => "faces",
            Part::Mail => "mail",
            Part::Phone => "phone",
            Part::Webhook => "webhook",
            Part::Mqtt => "mqtt",
            Part::Clock => "clock",
            Part::Power => "power",
            Part::Disk => "disk",
        }
    }
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and the owner should know.
    Warning,
    /// It does not work.
    Error,
}

impl Verdict {
    /// As in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Error => "error",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub part: Part,
    /// Which.
    pub subject: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it; there is always something unless the verdict is ok.
    pub mend: Option<String>,
}

impl Finding {
    fn ok(part: Part, subject: impl Into<String>, found: impl Into<String>) -> Finding {
        Finding {
            part,
            subject: subject.into(),
            verdict: Verdict::Ok,
            found: found.into(),
            mend: None,
        }
    }

    fn warning(
        part: Part,
        subject: impl Into<String>,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Finding {
        Finding {
            verdict: Verdict::Warning,
            mend: Some(mend.into()),
            ..Finding::ok(part, subject, found)
        }
    }

    fn error(
        part: Part,
        subject: impl Into<String>,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Finding {
        Finding {
            verdict: Verdict::Error,
            ..Finding::warning(part, subject, found, mend)
        }
    }

    /// From an error of a driver's, which says after a semicolon what mends it.
    fn told(part: Part, subject: impl Into<String>, error: &str, otherwise: &str) -> Finding {
        let (found, mend) = error.split_once("; ").unwrap_or((error, otherwise));
        Finding::error(part, subject, found, mend)
    }
}

/// Looks at everything. Takes 17 s at most; must be called within the tokio runtime, whose blocking
/// threads may be left in a device that hangs.
pub async fn examine(visit: Visit) -> Vec<Finding> {
    let Visit {
        config: file,
        service,
        send,
        photo,
    } = visit;
    let user = User::of_the_service();
    let (config, mut findings) = {
        let file = file.clone();
        let read = move || configuration::read(&file);
        let late = || (None, vec![late(Part::Configuration)]);
        blocking(read).await.unwrap_or_else(late)
    };
    findings.extend(service::troubles(&service));
    findings.extend(service::membership(&user));
    let Some(config) = config.map(Arc::new) else {
        let (unit, clock, power) =
            tokio::join!(service::unit(), machine::clock(), machine::power());
        findings.extend([unit, clock, power].into_iter().flatten());
        findings.sort_by_key(|it| it.part);
        return findings;
    };
    let (service, user) = (Arc::new(service), Arc::new(user));
    let on_devices = |part, look: fn(&Config, &Service, &User) -> Vec<Finding>| {
        let (config, service, user) = (config.clone(), service.clone(), user.clone());
        async move {
            let looked = blocking(move || look(&config, &service, &user)).await;
            looked.unwrap_or_else(|| vec![late(part)])
        }
    };
    let secrets = async {
        let (file, user) = (file.clone(), user.clone());
        let looked = blocking(move || secrets::look(&file, &user)).await;
        looked.unwrap_or_else(|| vec![late(Part::Secrets)])
    };
    let parts = tokio::join!(
        service::unit(),
        machine::clock(),
        machine::power(),
        secrets,
        on_devices(Part::Disk, disk::look),
        on_devices(Part::Gpio, gpio::look),
        serial::look(&config, &service, &user),
        camera::look(&config, &service, &user, photo),
        faces::look(&config),
        messages::look(&config, send),
        mqtt::look(&config),
    );
    let (a, b, c, d, e, f, g, h, i, j, k) = parts;
    findings.extend([a, b, c, d, e, f, g, h, i, j, k].into_iter().flatten());
    // A stable sort: within a part the order is that of looking.
    findings.sort_by_key(|it| it.part);
    findings
}

/// Runs what may hang in the kernel on a thread that nobody waits for longer than [`PATIENCE`].
async fn blocking<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let looked = tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(look));
    match looked.await {
        Ok(Ok(found)) => Some(found),
        Ok(Err(panic)) => std::panic::resume_unwind(panic.into_panic()),
        Err(_) => None,
    }
}

fn late(part: Part) -> Finding {
    let found = format!("no answer within {} s: a device hangs", PATIENCE.as_secs());
    let mend = "look for it in `dmesg`; unplug it, or start the machine anew";
    Finding::error(part, part.word(), found, mend)
}

/// What a command of the system's prints, if it is there and does not take long.
async fn printed(program: &str, args: &[&str]) -> Option<String> {
    let mut command = tokio::process::Command::new(program);
    command.args(args).kill_on_drop(true);
    command.stdin(std::process::Stdio::null());
    let output = tokio::time::timeout(Duration::from_secs(5), command.output());
    let output = output.await.ok()?.ok()?;
    let printed = output.status.success().then_some(output.stdout)?;
    String::from_utf8(printed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drivers_error_is_parted_from_what_mends_it() {
        let found = Finding::told(Part::Gpio, "hall", "no chip; plug one in; or not", "look");
        assert_eq!(found.found, "no chip");
        assert_eq!(found.mend.as_deref(), Some("plug one in; or not"));
        let bare = Finding::told(Part::Gpio, "hall", "no chip", "look");
        assert_eq!(bare.mend.as_deref(), Some("look"));
    }

    #[test]
    fn words_are_those_of_the_json() {
        let finding = Finding::error(Part::Mqtt, "a", "b", "c");
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!(json["part"], Part::Mqtt.word());
        assert_eq!(json["verdict"], Verdict::Error.word());
    }
}
