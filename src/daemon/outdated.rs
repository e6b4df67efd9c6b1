//! Troubles of what a new configuration has no more: nobody is left who could say that they are over.

use super::health::cleared;
use crate::alarm::{Status, Trouble, TroubleCode};
use crate::config::Config;
use crate::inbox::Inbox;

/// Says of each that it is over.
pub(super) fn clear(config: &Config, status: &Status, inbox: &Inbox) {
    for (trouble, _) in &status.troubles {
        if !concerns(config, trouble) {
            inbox.send(cleared(trouble.code, &trouble.subject));
        }
    }
}

/// Whether the configuration has what the trouble is about.
fn concerns(config: &Config, trouble: &Trouble) -> bool {
    let subject = trouble.subject.as_str();
    let contacts = || config.contacts.iter().filter(|it| it.name == subject);
    match trouble.code {
        TroubleCode::NodeGone | TroubleCode::LinkNoisy => {
            config.nodemcus.iter().any(|node| node.name == subject)
        }
        TroubleCode::Mqtt => (config.mqtt.as_ref()).is_some_and(|it| it.server() == subject),
        TroubleCode::Mail => {
            let known = subject.is_empty() || contacts().any(|it| it.email.is_some());
            config.email.is_some() && known
        }
        TroubleCode::Phone => {
            let known = subject.is_empty() || contacts().any(|it| it.phone.is_some());
            config.phone.is_some() && known
        }
        TroubleCode::Webhook => config.webhooks.iter().any(|it| it.name == subject),
        // The alarm, a driver that lives on, or who starts the new ones knows when these are over.
        TroubleCode::SensorSilent
        | TroubleCode::SensorImplausible
        | TroubleCode::SensorInhibited
        | TroubleCode::GpioGone
        | TroubleCode::FingerReader
        | TroubleCode::FingerUnknown
        | TroubleCode::FingerMissing
        | TroubleCode::Camera
        | TroubleCode::Face
        | TroubleCode::Store
        | TroubleCode::Disk
        | TroubleCode::Clock
        | TroubleCode::UnderVoltage
        | TroubleCode::Throttled
        | TroubleCode::ConfigRejected
        | TroubleCode::NeverArmed
        | TroubleCode::StateLost
        | TroubleCode::TaskFailed
        | TroubleCode::TaskHangs
        | TroubleCode::Web
        | TroubleCode::QueueFull
        | TroubleCode::Simulated
        | TroubleCode::ExhaustLong
        | TroubleCode::Output
        | TroubleCode::GivenUp
        | TroubleCode::Unproven
        | TroubleCode::Heartbeat
        | TroubleCode::AccessTries => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Depth, parse};

    #[test]
    fn a_trouble_of_what_is_configured_stays_and_one_of_what_is_not_is_over() {
        let text = "[[nodemcu]]\nname = \"kitchen\"\nport = \"/dev/ttyUSB0\"\n\
            [mqtt]\nhost = \"broker\"\n[email]\nhost = \"localhost\"\nfrom = \"a@b.c\"\n\
            [[contact]]\nname = \"Anna\"\nemail = \"anna@b.c\"\n";
        let config = parse(text, "x", Depth::Shape).unwrap().config;
        for (code, subject, expected) in [
            (TroubleCode::NodeGone, "kitchen", true),
            (TroubleCode::NodeGone, "cellar", false),
            (TroubleCode::LinkNoisy, "cellar", false),
            (TroubleCode::Mqtt, "broker:1883", true),
            (TroubleCode::Mqtt, "old:1883", false),
            (TroubleCode::Mail, "", true),
            (TroubleCode::Mail, "Anna", true),
            (TroubleCode::Mail, "Ben", false),
            (TroubleCode::Phone, "", false),
            (TroubleCode::Webhook, "ntfy", false),
            (TroubleCode::Clock, "", true),
        ] {
            let trouble = Trouble {
                code,
                subject: subject.to_owned(),
                text: String::new(),
            };
            assert_eq!(concerns(&config, &trouble), expected, "{trouble:?}");
        }
    }
}
