//! What a message on the command topic asks for. Pure.

use secrecy::SecretString;
use serde::Deserialize;

use crate::alarm::{Command, Mode};

/// A command, and the code that came with it.
#[derive(Debug)]
pub struct Order {
    /// What is asked for.
    pub command: Command,
    /// The code, unchecked.
    pub code: Option<SecretString>,
}

/// As Home Assistant sends it through the `command_template` of our discovery.
#[derive(Deserialize)]
struct Json {
    action: String,
    code: Option<String>,
}

/// Reads `ARM_AWAY`, or `{"action": "DISARM", "code": "1234"}`; `None`: it is no command.
pub fn parse(payload: &[u8]) -> Option<Order> {
    let text = std::str::from_utf8(payload).ok()?.trim();
    let asked = if text.starts_with('{') {
        serde_json::from_str(text).ok()?
    } else {
        Json {
            action: text.to_owned(),
            code: None,
        }
    };
    let arm = |mode| Command::Arm { mode, force: false };
    let command = match asked.action.as_str() {
        "ARM_AWAY" => arm(Mode::Away),
        "ARM_HOME" => arm(Mode::Home),
        "ARM_NIGHT" => arm(Mode::Night),
        "DISARM" => Command::Disarm,
        "PAUSE" => Command::Pause,
        "SILENCE" => Command::Silence,
        "ACK" => Command::Acknowledge,
        _other => return None,
    };
    Some(Order {
        command,
        // Home Assistant sends an empty one when none was typed.
        code: (asked.code.filter(|code| !code.is_empty())).map(SecretString::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn every_word_of_home_assistant_and_ours_is_a_command() {
        let arm = |mode| Command::Arm { mode, force: false };
        for (word, command) in [
            ("ARM_AWAY", arm(Mode::Away)),
            ("ARM_HOME", arm(Mode::Home)),
            ("ARM_NIGHT", arm(Mode::Night)),
            ("DISARM", Command::Disarm),
            ("PAUSE", Command::Pause),
            ("SILENCE", Command::Silence),
            ("ACK", Command::Acknowledge),
        ] {
            let order = parse(word.as_bytes()).unwrap();
            assert_eq!(order.command, command);
            assert!(order.code.is_none());
        }
    }

    #[test]
    fn a_code_comes_with_json_and_is_never_printed() {
        let order = parse(br#"{"action": "DISARM", "code": "0042"}"#).unwrap();
        assert_eq!(order.command, Command::Disarm);
        assert!(!format!("{order:?}").contains("0042"));
        assert_eq!(order.code.unwrap().expose_secret(), "0042");
        for none in ["null", r#""""#] {
            let order = parse(format!(r#"{{"action": "ARM_HOME", "code": {none}}}"#).as_bytes());
            assert!(order.unwrap().code.is_none());
        }
    }

    #[test]
    fn anything_else_is_no_command() {
        for payload in [
            "",
            "TRIGGER",
            "disarm",
            "{}",
            "{\"action\": 1}",
            "{\"action\": \"DISARM\"",
            "[]",
        ] {
            assert!(parse(payload.as_bytes()).is_none(), "{payload}");
        }
        assert!(parse(b"\xff\xfe").is_none());
    }
}
