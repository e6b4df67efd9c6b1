//! `asfaleia enroll`, `forget`, `people`: who is known, and by what.

use std::io::{BufRead, IsTerminal, Write, stdin};

use clap::{Args, Subcommand};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::{Value, json};

use super::Places;
use super::client::Service;
use super::exit::{Exit, Failed, Result};
use super::face::{self, EnrollFaceArgs};

/// `asfaleia enroll`
#[derive(Args)]
pub(super) struct EnrollArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// A PIN, asked for twice; takes the place of the one they had
    Pin(PinArgs),
    /// A finger, laid on the reader twice
    Finger(FingerArgs),
    /// A face, from the camera or from pictures; takes the place of the one they had
    Face(EnrollFaceArgs),
}

#[derive(Args)]
struct FingerArgs {
    /// Whose it is
    name: String,
    /// A finger for when they are forced: it does what the others do, and tells contacts with
    /// `duress = true`, and nobody else
    #[arg(long)]
    duress: bool,
}

#[derive(Args)]
struct PinArgs {
    /// Whose it is
    name: String,
    /// A second PIN, for when they are forced: it does what the other does, and tells contacts
    /// with `duress = true`, and nobody else
    #[arg(long)]
    duress: bool,
    /// Read it from the standard input, once
    #[arg(long)]
    stdin: bool,
}

/// `asfaleia forget`
#[derive(Args)]
pub(super) struct ForgetArgs {
    /// Who
    #[arg(required_unless_present = "unknown_fingers")]
    name: Option<String>,
    /// What the finger reader holds and nobody enrolled here (the trouble `finger-unknown`)
    #[arg(long, conflicts_with = "name")]
    unknown_fingers: bool,
}

/// `asfaleia people`
#[derive(Args)]
pub(super) struct PeopleArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn enroll(places: &Places, args: EnrollArgs) -> Result {
    match args.what {
        What::Pin(args) => pin(&Service::find(places.socket.as_deref())?, &args),
        What::Finger(args) => finger(&Service::find(places.socket.as_deref())?, &args),
        What::Face(args) => face::enroll(places, &args),
    }
}

fn finger(service: &Service, args: &FingerArgs) -> Result {
    let path = format!("people/{}/finger", in_a_path(&args.name));
    let body = json!({ "duress": args.duress });
    let mut out = std::io::stdout();
    service.block_on(async {
        let mut steps = service.follow(&path, &body).await?;
        while let Some(step) = steps.next_said().await? {
            if let Some(why) = step["error"].as_str() {
                return Err(Failed::new(Exit::TempFail, why));
            }
            let says = match step["finger"].as_str() {
                Some("lay") => "lay the finger on the reader",
                Some("lift") => "lift it",
                Some("lay-again") => "lay the same finger once more",
                Some("unreadable") => "it cannot be read: clean it, and lay it flat",
                Some("different") => "that was another finger, or another part of it: once more",
                Some(_) | None if step["done"] == true => {
                    writeln!(out, "the finger of {} is in force", args.name)?;
                    return Ok(());
                }
                Some(_) | None => continue,
            };
            writeln!(out, "{says}")?;
        }
        Err(Failed::new(Exit::Unavailable, "the service has stopped"))
    })
}

fn pin(service: &Service, args: &PinArgs) -> Result {
    let pin = match args.stdin {
        true => line("PIN")?,
        false => typed_twice("PIN")?,
    };
    let path = format!("people/{}/pin", in_a_path(&args.name));
    let body = json!({ "pin": pin, "duress": args.duress });
    service.block_on(service.post(&path, &body))?;
    writeln!(std::io::stdout(), "the PIN of {} is in force", args.name)?;
    Ok(())
}

pub(super) fn forget(service: &Service, args: &ForgetArgs) -> Result {
    let mut out = std::io::stdout();
    let Some(name) = &args.name else {
        let answer = service.block_on(service.delete("fingers/unknown"))?;
        writeln!(out, "forgotten by the reader: {}", answer["deleted"])?;
        return Ok(());
    };
    let path = format!("people/{}", in_a_path(name));
    let answer = service.block_on(service.delete(&path))?;
    writeln!(out, "{name} is forgotten")?;
    if let Some(why) = answer["left_in_reader"].as_str() {
        writeln!(
            out,
            "the reader still holds their finger, which lets nobody in any more ({why}): later, \
             asfaleia forget --unknown-fingers"
        )?;
    }
    Ok(())
}

pub(super) fn people(service: &Service, args: &PeopleArgs) -> Result {
    let answer: Value = service.block_on(service.get("people"))?;
    let mut out = std::io::stdout();
    if args.json {
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    let people = answer["people"].as_array().map_or(&[][..], Vec::as_slice);
    if people.is_empty() {
        writeln!(out, "nobody yet (asfaleia enroll pin NAME)")?;
    }
    for person in people {
        let name = person["name"].as_str().unwrap_or_default();
        let count = |key: &str, one: &str, many: &str| match person[key].as_u64() {
            None | Some(0) => None,
            Some(1) => Some(format!("1 {one}")),
            Some(count) => Some(format!("{count} {many}")),
        };
        let known: Vec<String> = [
            (person["pin"] == true).then(|| "PIN".to_owned()),
            count("fingers", "finger", "fingers"),
            count("faces", "view of the face", "views of the face"),
        ]
        .into_iter()
        .flatten()
        .collect();
        writeln!(out, "{name}: {}", known.join(", "))?;
    }
    Ok(())
}

/// A secret that is typed at the terminal, twice the same.
pub(super) fn typed_twice(what: &str) -> Result<String> {
    if !stdin().is_terminal() {
        return Err(Failed::new(
            Exit::Usage,
            format!("the standard input is no terminal: add --stdin to read the {what} from it"),
        ));
    }
    let first = unseen(what, &format!("{what}: "))?;
    if unseen(what, "again: ")? == first {
        return Ok(first);
    }
    Err(Failed::new(
        Exit::Data,
        "the two are not the same; nothing was changed",
    ))
}

/// One line from the terminal, which does not show it.
fn unseen(what: &str, prompt: &str) -> Result<String> {
    let failed = |error| Failed::new(Exit::OsErr, format!("hiding what is typed: {error}"));
    let seen = tcgetattr(stdin()).map_err(failed)?;
    let mut hidden = seen.clone();
    hidden.local_modes -= LocalModes::ECHO;
    // Hidden first: what is typed at the sight of the prompt is neither shown nor lost.
    tcsetattr(stdin(), OptionalActions::Now, &hidden).map_err(failed)?;
    write!(std::io::stderr(), "{prompt}")?;
    let line = line(what);
    let shown = tcsetattr(stdin(), OptionalActions::Now, &seen);
    writeln!(std::io::stderr())?;
    shown.map_err(failed)?;
    line
}

/// One line of the standard input, which holds a secret.
pub(super) fn line(what: &str) -> Result<String> {
    let mut line = String::new();
    let read = stdin().lock().read_line(&mut line);
    read.map_err(|error| Failed::new(Exit::IoErr, format!("reading the {what}: {error}")))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A name as a part of an address.
pub(super) fn in_a_path(name: &str) -> String {
    let mut path = String::new();
    for byte in name.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' => path.push(char::from(byte)),
            other => path.push_str(&format!("%{other:02X}")),
        }
    }
    path
}
