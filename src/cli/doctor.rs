//! `asfaleia doctor`: what was found of each configured thing, and what mends it.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use super::check::counted;
use super::exit::{Exit, Failed, Result};
use super::{Places, client};
use crate::doctor::{self, Finding, Part, Service, Verdict, Visit};

/// The service answers at once, or something is wrong with it.
const SERVICE: Duration = Duration::from_secs(3);

/// `asfaleia doctor`
#[derive(Args)]
pub(super) struct DoctorArgs {
    /// What was found as JSON
    #[arg(long)]
    json: bool,
    /// Send a test mail to every contact (without it nothing is sent)
    #[arg(long)]
    send: bool,
    /// Keep the picture that the camera takes
    #[arg(long, value_name = "FILE")]
    photo: Option<PathBuf>,
}

pub(super) fn run(places: &Places, args: DoctorArgs) -> Result {
    let config = places.config();
    let there = config.exists();
    let service = service(&client::Service::find(places.socket.as_deref())?);
    let visit = Visit {
        config,
        service,
        send: args.send,
        photo: args.photo,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failed::new(Exit::OsErr, format!("starting: {error}")))?;
    let findings = runtime.block_on(doctor::examine(visit));
    // A device that hangs holds a thread, and shall not hold us.
    runtime.shutdown_background();
    let mut out = std::io::stdout();
    match args.json {
        true => {
            let json = serde_json::to_string_pretty(&findings);
            writeln!(out, "{}", json.expect("findings are words"))?;
        }
        false => out.write_all(report(&findings).as_bytes())?,
    }
    match exit(&findings, there) {
        Exit::Ok => Ok(()),
        exit => Err(Failed::silently(exit)),
    }
}

fn service(service: &client::Service) -> Service {
    let asked = async { timeout(SERVICE, service.get("status")).await };
    match service.block_on(asked) {
        Ok(Ok(status)) => Service::Runs(Box::new(status)),
        Ok(Err(failed)) => match failed.exit {
            Exit::Unavailable => Service::IsNotThere,
            Exit::NoPerm => Service::IsNotForUs,
            _ => Service::IsSilent(failed.error),
        },
        Err(_) => Service::IsSilent(format!("no answer within {} s", SERVICE.as_secs())),
    }
}

/// The configuration's code if it is wrong; else whatever is wrong makes the service unavailable.
fn exit(findings: &[Finding], there: bool) -> Exit {
    let wrong = |part: Option<Part>| {
        let mut errors = findings.iter().filter(|it| it.verdict == Verdict::Error);
        errors.any(|it| part.is_none_or(|part| it.part == part))
    };
    match (wrong(Some(Part::Configuration)), wrong(None)) {
        (true, _) if !there => Exit::NoInput,
        (true, _) => Exit::Config,
        (false, true) => Exit::Unavailable,
        (false, false) => Exit::Ok,
    }
}

fn report(findings: &[Finding]) -> String {
    let mut text = String::new();
    for group in findings.chunk_by(|a, b| a.part == b.part) {
        writeln!(text, "{}", group[0].part.word()).expect("a String takes everything");
        for finding in group {
            let Finding {
                subject,
                verdict,
                found,
                mend,
                ..
            } = finding;
            let mend = mend
                .as_ref()
                .map(|mend| format!(" -> {mend}"))
                .unwrap_or_default();
            writeln!(text, "  {:<8} {subject}: {found}{mend}", verdict.word())
                .expect("a String takes everything");
        }
    }
    let count = |verdict| findings.iter().filter(|it| it.verdict == verdict).count();
    let (errors, warnings) = (count(Verdict::Error), count(Verdict::Warning));
    let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
    writeln!(text, "\n{errors}, {warnings}").expect("a String takes everything");
    text
}
