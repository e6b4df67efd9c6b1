//! The questions, in the order in which a house is walked through.

use std::io;
use std::path::{Path, PathBuf};

use super::dialogue::{Dialogue, Unanswered};
use super::{Broker, Contact, Exhaust, Found, House, Mail, Node, Phone, Wire};

/// Asks everything. `secrets` is where the files of the secrets will lie.
pub fn ask(
    dialogue: &mut Dialogue<'_>,
    found: &Found,
    secrets: PathBuf,
) -> Result<House, Unanswered> {
    let mut house = House {
        secrets,
        site: "Home".to_owned(),
        ..House::default()
    };
    dialogue.settle(&mut house, &|dialogue, house| {
        house.site = dialogue.ask("The house's name, as mails and calls say it", "Home")?;
        Ok(())
    })?;
    if let Some(port) = found.readers.first() {
        dialogue.settle(&mut house, &|dialogue, house| reader(dialogue, house, port))?;
    }
    for port in found.ports.iter().filter(|it| !found.readers.contains(it)) {
        dialogue.settle(&mut house, &|dialogue, house| node(dialogue, house, port))?;
    }
    loop {
        let before = house.wires.len();
        dialogue.settle(&mut house, &wire)?;
        if house.wires.len() == before {
            break;
        }
    }
    dialogue.settle(&mut house, &|dialogue, house| {
        outputs(dialogue, house, found)
    })?;
    dialogue.settle(&mut house, &|dialogue, house| {
        let webcam = found.webcams.first().map(|path| path.display().to_string());
        let question = "Camera (a webcam's file, or auto)";
        house.camera = dialogue.ask_for(question, webcam.as_deref())?;
        Ok(())
    })?;
    dialogue.settle(&mut house, &mail)?;
    dialogue.settle(&mut house, &phone)?;
    if house.mail.is_some() || house.phone.is_some() {
        loop {
            let before = house.contacts.len();
            dialogue.settle(&mut house, &contact)?;
            if house.contacts.len() == before {
                break;
            }
        }
    }
    dialogue.settle(&mut house, &broker)?;
    Ok(house)
}

fn reader(dialogue: &mut Dialogue<'_>, house: &mut House, port: &Path) -> io::Result<()> {
    let question = format!(
        "A fingerprint reader answers on {}. Shall a finger disarm? (say no if strangers can reach it)",
        port.display()
    );
    house.reader = (dialogue.agrees(&question, true)?).then(|| port.to_owned());
    Ok(())
}

fn node(dialogue: &mut Dialogue<'_>, house: &mut House, port: &Path) -> io::Result<()> {
    let question = format!(
        "Name of the NodeMCU on {} (none if it is something else)",
        port.display()
    );
    // What is plugged in may be anything: only its owner knows.
    let Some(name) = dialogue.ask_for(&question, None)? else {
        return Ok(());
    };
    house.nodes.push(Node {
        gas: dialogue.agrees("  has it a gas sensor?", true)?,
        beam: dialogue.agrees("  has it a light beam?", false)?,
        name,
        port: port.to_owned(),
    });
    Ok(())
}

/// Places and levels of docs/wiring.md.
fn wire(dialogue: &mut Dialogue<'_>, house: &mut House) -> io::Result<()> {
    let question = match house.wires.len() {
        0 => "Name of a sensor on a GPIO line, such as hall",
        _ => "Name of another sensor on a GPIO line",
    };
    let Some(name) = dialogue.ask_for(question, None)? else {
        return Ok(());
    };
    let question = "  what it senses (motion, beam, contact, gas, tamper or panic)";
    let kind = dialogue.ask(question, "motion")?;
    let (line, active) = match kind.as_str() {
        "beam" => ("27", "low"),
        "contact" => ("22", "high"),
        "gas" => ("23", "low"),
        "tamper" => ("24", "high"),
        "panic" => ("25", "low"),
        _ => ("18", "high"),
    };
    let line = number(dialogue, "  its GPIO line (BCM number)", Some(line))?.unwrap_or_default();
    let active = dialogue.ask("  the level at which it is active, high or low", active)?;
    house.wires.push(Wire {
        name,
        kind,
        line,
        active,
    });
    Ok(())
}

fn outputs(dialogue: &mut Dialogue<'_>, house: &mut House, found: &Found) -> io::Result<()> {
    let usual = |line| found.is_a_pi().then_some(line);
    house.buzzer = number(dialogue, "GPIO line of the buzzer", usual("17"))?;
    let usual = usual("4").filter(|_| house.has_gas());
    let question = "GPIO line of the exhaust fan's relay";
    house.exhaust = match number(dialogue, question, usual)? {
        Some(line) => Some(Exhaust {
            line,
            active: dialogue.ask("  the level at which the fan runs, high or low", "high")?,
        }),
        None => None,
    };
    Ok(())
}

/// Asks until it is a number; what a pipe says is taken, or it is an error.
fn number(
    dialogue: &mut Dialogue<'_>,
    question: &str,
    default: Option<&str>,
) -> io::Result<Option<u32>> {
    loop {
        let Some(answer) = dialogue.ask_for(question, default)? else {
            return Ok(None);
        };
        match answer.parse() {
            Ok(number) => return Ok(Some(number)),
            Err(_) if dialogue.terminal => {
                writeln!(dialogue.output, "  {answer:?} is no number, such as 17")?;
            }
            Err(_) => {
                let why = format!("{question}: {answer:?} is no number; nothing was written");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
    }
}

fn mail(dialogue: &mut Dialogue<'_>, house: &mut House) -> io::Result<()> {
    let question = "Mail server (with STARTTLS at port 587), such as smtp.example.org";
    let Some(host) = dialogue.ask_for(question, None)? else {
        return Ok(());
    };
    let username = dialogue.ask("  user name there, mostly your address", "")?;
    let password = match username.as_str() {
        "" => None,
        _ => dialogue.ask_secretly("  password there, best an app password")?,
    };
    if password.is_none() {
        writeln!(
            dialogue.output,
            "  no password: the server is asked without a login"
        )?;
    }
    let from = dialogue.ask("  address that mails come from", &username)?;
    house.mail = Some(Mail {
        host,
        username,
        password,
        from,
    });
    Ok(())
}

fn phone(dialogue: &mut Dialogue<'_>, house: &mut House) -> io::Result<()> {
    let question = "SID of your account at Twilio (AC…), for calls";
    let Some(account) = dialogue.ask_for(question, None)? else {
        return Ok(());
    };
    let Some(token) = dialogue.ask_secretly("  its auth token")? else {
        return writeln!(dialogue.output, "  without a token there are no calls");
    };
    let from = dialogue.ask(
        "  number there that calls come from, such as +15005550006",
        "",
    )?;
    house.phone = Some(Phone {
        account,
        token,
        from,
    });
    Ok(())
}

fn contact(dialogue: &mut Dialogue<'_>, house: &mut House) -> io::Result<()> {
    let question = match house.contacts.len() {
        0 => "Name of who is told first",
        _ => "Name of who is told next",
    };
    let Some(name) = dialogue.ask_for(question, None)? else {
        return Ok(());
    };
    let email = match &house.mail {
        Some(_) => dialogue.ask("  address", "")?,
        None => String::new(),
    };
    let phone = match &house.phone {
        Some(_) => dialogue.ask("  telephone, such as +302101234567", "")?,
        None => String::new(),
    };
    house.contacts.push(Contact { name, email, phone });
    Ok(())
}

fn broker(dialogue: &mut Dialogue<'_>, house: &mut House) -> io::Result<()> {
    let question = "MQTT broker (Home Assistant, Zigbee2MQTT), such as localhost";
    let Some(host) = dialogue.ask_for(question, None)? else {
        return Ok(());
    };
    let username = dialogue.ask("  user name there, if it wants one", "")?;
    let login = match username.as_str() {
        "" => None,
        _ => (dialogue.ask_secretly("  password there")?).map(|password| (username, password)),
    };
    house.broker = Some(Broker { host, login });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Depth, FingerInput};

    #[test]
    fn a_reader_that_answers_is_asked_about_and_its_port_is_no_nodes() {
        let port = PathBuf::from("/dev/serial/by-id/usb-cp2102");
        let found = Found {
            ports: vec![port.clone()],
            readers: vec![port.clone()],
            ..Found::default()
        };
        for (answer, taken) in [("yes", true), ("no", false)] {
            let (answers, mut said) = (format!("Home\n{answer}\n"), Vec::new());
            let mut dialogue = Dialogue {
                input: &mut answers.as_bytes(),
                output: &mut said,
                terminal: false,
                ended: false,
                hide: || None,
            };
            let house = ask(&mut dialogue, &found, "/secrets".into()).unwrap();
            let said = String::from_utf8(said).unwrap();
            assert!(
                said.contains("A fingerprint reader answers on /dev/serial/"),
                "{said}"
            );
            assert!(!said.contains("NodeMCU"), "{said}");
            let text = house.configuration();
            let config = config::parse(&text, "x", Depth::Shape).unwrap().config;
            let reader = config.access.and_then(|access| access.finger);
            let is_there =
                matches!(reader, Some(FingerInput::Serial { port: at, .. }) if at == port);
            assert_eq!(is_there, taken, "{text}");
        }
    }
}
