//! The running service, systemd's unit, and the user of both.

use std::path::Path;

use super::user::{GROUPS, User};
use super::{Finding, Part, Service, Verdict, printed};
use crate::alarm::{SensorState, TroubleCode};
use crate::web::StatusBody;

const PART: Part = Part::Service;
/// Troubles of a house that works all the same.
const LIGHT: [TroubleCode; 7] = [
    TroubleCode::SensorInhibited,
    TroubleCode::Clock,
    TroubleCode::Throttled,
    TroubleCode::NeverArmed,
    TroubleCode::QueueFull,
    TroubleCode::Simulated,
    TroubleCode::Unproven,
];

/// What the service says of itself.
pub(super) fn troubles(service: &Service) -> Vec<Finding> {
    match service {
        Service::Runs(status) => of(status),
        Service::IsNotThere => vec![Finding::warning(
            PART,
            "asfaleia",
            "does not run: nobody watches",
            "sudo systemctl start asfaleia",
        )],
        Service::IsNotForUs => vec![Finding::warning(
            PART,
            "asfaleia",
            "runs, and is not yours to ask",
            "sudo asfaleia doctor; or join its group: sudo adduser $USER asfaleia",
        )],
        Service::IsSilent(how) => {
            let mend = "`journalctl -u asfaleia` says what it does";
            vec![Finding::error(PART, "asfaleia", how, mend)]
        }
    }
}

fn of(status: &StatusBody) -> Vec<Finding> {
    let silent = |state: &SensorState| *state == SensorState::Silent;
    let sensors = status.sensors.len();
    let quiet = status.sensors.iter().filter(|it| silent(&it.state)).count();
    let found = format!(
        "runs ({}), {}; {} of {sensors} sensors are heard; it holds the devices, and is asked \
         instead of them",
        status.version,
        status.state,
        sensors - quiet
    );
    let mut findings = vec![Finding::ok(PART, "asfaleia", found)];
    findings.extend(status.troubles.iter().map(|trouble| {
        let word = trouble.code.word();
        let subject = match trouble.subject.as_str() {
            "" => word.to_owned(),
            subject => format!("{word} {subject}"),
        };
        let mend = format!("docs/troubles.md has what mends `{word}`");
        let mut finding = Finding::error(PART, subject, &trouble.text, mend);
        if LIGHT.contains(&trouble.code) {
            finding.verdict = Verdict::Warning;
        }
        finding
    }));
    findings
}

/// Whether the service's user is in the groups of its devices.
pub(super) fn membership(user: &User) -> Vec<Finding> {
    let name = &user.name;
    let lacks = user.lacks();
    vec![if user.is_root() {
        let found = "the service has no user of its own here: it would run as root";
        let mend =
            "install the package, or systemd/asfaleia.sysusers; on a desk it does not matter";
        Finding::warning(PART, "user", found, mend)
    } else if lacks.is_empty() {
        Finding::ok(PART, "user", format!("{name} is in {}", GROUPS.join(", ")))
    } else {
        let lacks = lacks.join(", ");
        let found = format!("{name} is not in {lacks}");
        let mend = format!(
            "for devices of these: sudo usermod -aG {} {name}",
            lacks.replace(", ", ",")
        );
        Finding::warning(PART, "user", found, mend)
    }]
}

/// The unit, where there is systemd.
pub(super) async fn unit() -> Vec<Finding> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Vec::new();
    }
    let keys = "LoadState,ActiveState,SubState,UnitFileState,NRestarts,Result,ExecMainStatus";
    let shown = printed(
        "systemctl",
        &["show", "asfaleia.service", "--property", keys],
    )
    .await;
    shown.map(|shown| judged(&shown)).into_iter().collect()
}

fn judged(shown: &str) -> Finding {
    let value = |key: &str| {
        let mut lines = shown.lines();
        let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.unwrap_or_default()
    };
    let subject = "asfaleia.service";
    let restarts = match value("NRestarts") {
        "" | "0" => String::new(),
        restarts => format!(", restarted {restarts} times"),
    };
    let found = format!(
        "{} ({}), {}{restarts}",
        value("ActiveState"),
        value("SubState"),
        value("UnitFileState")
    );
    match (
        value("LoadState"),
        value("ActiveState"),
        value("UnitFileState"),
    ) {
        ("loaded", "active", "enabled") if restarts.is_empty() => Finding::ok(PART, subject, found),
        ("loaded", "active", "enabled") => {
            Finding::warning(PART, subject, found, "`journalctl -u asfaleia` says why")
        }
        ("loaded", "active", _) => {
            let mend = "it is not started at the next boot: sudo systemctl enable asfaleia";
            Finding::warning(PART, subject, found, mend)
        }
        ("loaded", "failed", _) if value("ExecMainStatus") == "78" => {
            let mend = "mend the configuration: it starts when the file is saved";
            Finding::error(PART, subject, format!("{found}: the configuration"), mend)
        }
        ("loaded", "failed", _) => {
            let mend = "`journalctl -u asfaleia` says why; then sudo systemctl restart asfaleia";
            Finding::error(PART, subject, found, mend)
        }
        ("loaded", ..) => {
            Finding::warning(PART, subject, found, "sudo systemctl enable --now asfaleia")
        }
        _ => {
            let found = "systemd has no such unit";
            Finding::warning(
                PART,
                subject,
                found,
                "install the package, or systemd/ of the sources",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_judged_by_what_systemd_shows() {
        let shown = |load: &str, active: &str, file: &str, restarts: &str, code: &str| {
            let text = format!(
                "LoadState={load}\nActiveState={active}\nSubState=x\nUnitFileState={file}\n\
                 NRestarts={restarts}\nExecMainStatus={code}\n"
            );
            let finding = judged(&text);
            (finding.verdict, finding.mend.unwrap_or_default())
        };
        assert_eq!(
            shown("loaded", "active", "enabled", "0", "0").0,
            Verdict::Ok
        );
        let (verdict, mend) = shown("loaded", "active", "enabled", "3", "0");
        assert_eq!(verdict, Verdict::Warning);
        assert!(mend.contains("journalctl"));
        assert!(
            shown("loaded", "active", "disabled", "0", "0")
                .1
                .contains("enable")
        );
        let (verdict, mend) = shown("loaded", "failed", "enabled", "0", "78");
        assert_eq!(verdict, Verdict::Error);
        assert!(mend.contains("configuration"));
        assert_eq!(
            shown("loaded", "failed", "enabled", "0", "70").0,
            Verdict::Error
        );
        assert_eq!(
            shown("loaded", "inactive", "enabled", "0", "0").0,
            Verdict::Warning
        );
        assert_eq!(
            shown("not-found", "inactive", "", "0", "0").0,
            Verdict::Warning
        );
    }
}
