//! The finger reader: does it answer, does it take our password, and does it hold our fingers?

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::serial::Port;
use super::{Finding, Part, blocking};
use crate::access::finger::{Examined, NotExamined, ReaderPort, examine};
use crate::access::people::People;
use crate::config::{Config, FingerInput};
use crate::store;

const PART: Part = Part::Serial;
const SUBJECT: &str = "fingerprint reader";
/// Three commands that nobody answers.
const PATIENCE: Duration = Duration::from_secs(8);

/// What the reader says of itself, and the slots that are somebody's; `None`: that is not known.
pub(super) type Asked = (Result<Examined, NotExamined>, Option<BTreeSet<u16>>);

/// The reader on a port, if one is configured.
pub(super) fn reader(config: &Config) -> Option<ReaderPort> {
    match config.access.as_ref()?.finger.as_ref()? {
        FingerInput::Serial {
            port,
            baud,
            password,
        } => Some(ReaderPort {
            port: port.clone(),
            baud: *baud,
            password: *password,
        }),
        FingerInput::Gpio(_) => None,
    }
}

/// Asks the reader, which nobody else has open, and the store, which no service has.
pub(super) async fn examined(config: &Arc<Config>, reader: &ReaderPort) -> Asked {
    let silent = || Err(NotExamined::Silent("it does not answer".to_owned()));
    let said = timeout(PATIENCE, examine(reader)).await;
    let dir = config.store.path.clone();
    let ours = blocking(move || match dir.exists() {
        true => store::people_in(&dir).ok(),
        false => Some(Vec::new()),
    });
    let ours = ours.await.flatten().map(|known| {
        let slots = People::new(known).slots(None);
        slots.into_iter().collect()
    });
    (said.unwrap_or_else(|_| silent()), ours)
}

/// What is to be said of it. Pure, but for the port's name.
pub(super) fn judged(port: &Port, asked: Option<Asked>) -> Finding {
    let path = port.path.display();
    let error = |found: String, mend: &str| Finding::error(PART, SUBJECT, found, mend);
    if !port.path.exists() {
        return error(
            format!("{path} is not there"),
            "enable_uart=1 in /boot/firmware/config.txt, no login shell on it; docs/wiring.md",
        );
    }
    if let Some((found, mend)) = &port.shut_out {
        return error(found.clone(), mend);
    }
    if let Some(stranger) = port.holders.iter().find(|it| !it.is_asfaleia()) {
        return error(
            format!("{} has {path} open", stranger.words()),
            "end that program; a login shell: raspi-config, serial port",
        );
    }
    let Some((said, ours)) = asked else {
        let found = format!("{path} is there; the service reads it (asfaleia status)");
        return Finding::ok(PART, SUBJECT, found);
    };
    match said {
        Err(NotExamined::Port(why)) => Finding::told(PART, SUBJECT, &why, "is it free?"),
        Err(NotExamined::Password) => error(
            format!("the module on {path} takes another password"),
            "write its password into a file, and name that: [access] finger = { …, password-file = … }",
        ),
        Err(NotExamined::Silent(why)) => error(
            format!("no module answers on {path}: {why}"),
            "is it on 3.3 V, are its TX and RX crossed with ours, is `baud` its own? docs/wiring.md",
        ),
        Ok(examined) => compared(&examined, ours.as_ref()),
    }
}

fn compared(examined: &Examined, ours: Option<&BTreeSet<u16>>) -> Finding {
    let Examined {
        capacity,
        templates,
    } = examined;
    let count = templates.len();
    let answers = format!("answers, and holds {count} of {capacity} fingers");
    let warning = |more: String, mend| Finding::warning(PART, SUBJECT, more, mend);
    let Some(ours) = ours else {
        return warning(
            format!("{answers}; whose they are is in a store that cannot be read"),
            "sudo asfaleia doctor",
        );
    };
    let (unknown, missing) = ((templates - ours).len(), (ours - templates).len());
    match (unknown, missing) {
        (0, 0) => Finding::ok(PART, SUBJECT, format!("{answers}, all enrolled here")),
        (_, 0) => warning(
            format!("{answers}, {unknown} of them not enrolled here: they let nobody in"),
            "start the service, then: asfaleia forget --unknown-fingers",
        ),
        (_, _) => warning(
            format!("{answers}, and has lost {missing} that were enrolled here"),
            "enroll them again: asfaleia enroll finger NAME",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn what_a_reader_holds_is_compared_with_who_is_known() {
        let examined = |templates: &[u16]| Examined {
            capacity: 200,
            templates: templates.iter().copied().collect(),
        };
        let ours = BTreeSet::from([0, 1]);
        for (templates, ours, verdict, found) in [
            (&[0, 1][..], Some(&ours), Verdict::Ok, "2 of 200"),
            (
                &[0, 1, 7],
                Some(&ours),
                Verdict::Warning,
                "1 of them not enrolled",
            ),
            (&[0], Some(&ours), Verdict::Warning, "lost 1"),
            (&[0], None, Verdict::Warning, "cannot be read"),
        ] {
            let finding = compared(&examined(templates), ours);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.found.contains(found), "{finding:?}");
        }
    }
}
