//! Troubles that the daemon itself sees.

use super::sources;
use crate::alarm::{Event, Trouble, TroubleCode};
use crate::config::{Config, Rejected, Severity};
use crate::inbox::Inbox;
use crate::web::ServiceKind;

/// Tells the panel how the store fares.
pub fn store_health(inbox: &Inbox) -> impl Fn(Result<(), String>) + Send + 'static {
    let inbox = inbox.clone();
    move |health| {
        inbox.send(match health {
            Ok(()) => Event::TroubleCleared {
                code: TroubleCode::Store,
                subject: String::new(),
            },
            Err(why) => raised(TroubleCode::Store, "", why),
        });
    }
}

pub(super) fn raised(code: TroubleCode, subject: &str, text: String) -> Event {
    Event::TroubleRaised(Trouble {
        code,
        subject: subject.to_owned(),
        text,
    })
}

/// What lessens protection from the start.
pub(super) fn start_troubles(
    inbox: &Inbox,
    config: &Config,
    kind: ServiceKind,
    store: Option<String>,
    rejected: Option<&Rejected>,
) {
    if let Some(why) = store {
        inbox.send(raised(TroubleCode::Store, "", why));
    }
    if let Some(rejected) = rejected {
        let errors = (rejected.diagnostics.iter())
            .filter(|finding| finding.severity == Severity::Error)
            .collect::<Vec<_>>();
        let first = errors.first().map_or(String::new(), |first| {
            let (line, source) = (first.line, first.source.trim());
            format!(" (line {line}, {source}: {})", first.message)
        });
        let text = format!(
            "the configuration file has {} error{}{first}; the last one that passed is in force: \
             run asfaleia check, mend the file, then asfaleia reload",
            errors.len(),
            if errors.len() == 1 { "" } else { "s" }
        );
        inbox.send(raised(TroubleCode::ConfigRejected, "", text));
    }
    let simulated = sources::simulated_devices(config);
    if kind == ServiceKind::Run && !simulated.is_empty() {
        let text = format!(
            "simulated, so watched by nothing real: {}",
            simulated.join(", ")
        );
        inbox.send(raised(TroubleCode::Simulated, "", text));
    }
}
