//! `asfaleia init`, answered through a pipe and at a terminal.

use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use crate::process::{asfaleia, outcome};

fn init(file: &Path, args: &[&str]) -> Command {
    let mut command = asfaleia();
    command.arg("init").arg("--config").arg(file).args(args);
    command
}

/// Exit code and output of `init` with these lines.
fn answered(file: &Path, answers: &str) -> (i32, String, String) {
    let mut command = init(file, &[]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(answers.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn passes(file: &Path) {
    let mut check = asfaleia();
    check.arg("check").arg("--config").arg(file);
    let (code, _, err) = outcome(check);
    assert_eq!(code, 0, "{err}\n{}", fs::read_to_string(file).unwrap());
}

/// What is asked on a machine without NodeMCUs; answers by the question's beginning, so that what
/// is plugged in where the tests run makes no difference.
struct Script(Vec<(&'static str, &'static str)>);

impl Script {
    fn answer(&mut self, question: &str) -> Option<&'static str> {
        let at = self
            .0
            .iter()
            .position(|(begins, _)| question.contains(begins))?;
        Some(self.0.remove(at).1)
    }
}

const HOUSE: &[(&str, &str)] = &[
    ("The house's name", "Anna's \"house\""),
    ("Name of a sensor", "hall"),
    ("the buzzer", "17"),
    ("the exhaust fan", "23"),
    ("Camera", "auto"),
    ("Mail server", "smtp.example.org"),
    ("user name there, mostly", "me@example.org"),
    ("password there, best", "hunter2 mail"),
    ("SID of your account", "AC0123"),
    ("auth token", "hunter2 phone"),
    ("number there that calls", "+15005550006"),
    ("who is told first", "Anna"),
    ("address [", ""),
    ("  address:", "anna@example.org"),
    ("telephone, such as", "+302101234567"),
    ("MQTT broker", "localhost"),
    ("user name there, if", "asfaleia"),
    ("password there (", "hunter2 mqtt"),
];

#[test]
fn without_an_answer_the_defaults_pass_and_lie_where_they_were_asked_for() {
    for answers in ["", "\n", "Holiday home\n"] {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("etc/asfaleia.toml");
        let (code, out, err) = answered(&file, answers);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(out.contains("next: asfaleia doctor"), "{out}");
        passes(&file);
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.contains("Holiday home"), answers.len() > 1);
        assert!(
            !dir.path().join("etc/secrets").exists(),
            "there is no secret"
        );
    }
}

#[test]
fn a_house_with_everything_passes_and_its_secrets_are_for_the_service_alone() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("asfaleia.toml");
    let seen = at_a_terminal(init(&file, &[]), Script(HOUSE.to_vec()));
    passes(&file);
    let text = fs::read_to_string(&file).unwrap();
    for expected in [
        "Anna's",
        "hall",
        "gpio = 18",
        "AC0123",
        "+302101234567",
        "[mqtt]",
        "# ",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let secrets = dir.path().join("secrets");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&secrets), 0o700);
    for (name, secret) in [
        ("smtp-password", "hunter2 mail\n"),
        ("twilio-token", "hunter2 phone\n"),
        ("mqtt-password", "hunter2 mqtt\n"),
    ] {
        let path = secrets.join(name);
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), secret);
    }
    assert!(!text.contains("hunter2"), "{text}");
    assert!(
        !seen.contains("hunter2"),
        "the terminal showed a password: {seen}"
    );
    assert!(seen.contains("AC0123"), "and what is none it shows: {seen}");
}

#[test]
fn a_wrong_answer_is_asked_again_at_a_terminal_and_ends_a_pipe_with_nothing_written() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("asfaleia.toml");
    let script = vec![
        ("Mail server", "smtp.example.org"),
        ("address that mails come from", "no address"),
        ("Mail server", "smtp.example.org"),
        ("address that mails come from", "me@example.org"),
        ("the buzzer", "loud"),
        ("the buzzer", "17"),
    ];
    let seen = at_a_terminal(init(&file, &[]), Script(script));
    assert!(seen.contains("\"loud\" is no number"), "{seen}");
    passes(&file);
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("from = \"me@example.org\"") && text.contains("gpio = 17"),
        "{text}"
    );

    let other = dir.path().join("other.toml");
    let (code, out, err) = answered(&other, "Home\nhall\nmotion\nfar away\n");
    // On a machine with NodeMCUs the lines answer other questions, just as wrongly.
    assert_eq!(code, 65, "{out}{err}");
    assert!(err.contains("nothing was written"), "{err}");
    assert!(!other.exists());
}

#[test]
fn a_file_that_is_there_stays_unless_its_owner_says_otherwise_and_then_a_copy_is_kept() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("asfaleia.toml");
    fs::write(&file, "# mine\n").unwrap();
    for answers in ["", "\n", "no\n", "perhaps\n"] {
        let (code, _, err) = answered(&file, answers);
        assert_eq!(code, 73, "{err}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "# mine\n");
    }
    assert_eq!(answered(&file, "yes\nMine\n").0, 0);
    assert_eq!(
        fs::read_to_string(dir.path().join("asfaleia.toml.1")).unwrap(),
        "# mine\n"
    );
    assert_eq!(outcome(init(&file, &["--yes"])).0, 0);
    let second = fs::read_to_string(dir.path().join("asfaleia.toml.2")).unwrap();
    assert!(second.contains("Mine"), "{second}");
    passes(&file);
}

/// Runs it at a terminal of its own, answers by the script (what is not in it with its default),
/// and returns all that the terminal showed.
fn at_a_terminal(mut command: Command, mut script: Script) -> String {
    let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&far).unwrap();
    unlockpt(&far).unwrap();
    let path = ptsname(&far, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let near = rustix::fs::open(&path, flags, Mode::empty()).unwrap();
    command
        .stdin(near.try_clone().unwrap())
        .stdout(near.try_clone().unwrap());
    command.stderr(near);
    let mut child = command.spawn().unwrap();
    // Its copies of the near end: as long as one is open, the far end sees no end.
    drop(command);
    let mut seen = String::new();
    let mut answered = 0;
    while let Some(more) = read(&far, &mut child) {
        seen.push_str(&more);
        let question = seen[answered..]
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .to_owned();
        // No question has a colon but at its end; why an answer is refused may have.
        if question.ends_with(": ") && !question.contains("(allowed") {
            let answer = script.answer(&question).unwrap_or_default();
            answered = seen.len();
            rustix::io::write(&far, format!("{answer}\n").as_bytes()).unwrap();
        }
    }
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}: {seen}");
    assert_eq!(
        script
            .0
            .iter()
            .filter(|(_, answer)| !answer.is_empty())
            .count(),
        0,
        "{seen}"
    );
    seen
}

/// What it wrote, as soon as there is some; `None`: it has ended.
fn read(far: &OwnedFd, child: &mut Child) -> Option<String> {
    let start = Instant::now();
    let mut chunk = [0; 4096];
    loop {
        let soon = Timespec::try_from(Duration::from_millis(100)).unwrap();
        poll(&mut [PollFd::new(far, PollFlags::IN)], Some(&soon)).unwrap();
        let readable = {
            let mut waiting = [PollFd::new(far, PollFlags::IN)];
            poll(
                &mut waiting,
                Some(&Timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                }),
            )
            .unwrap();
            waiting[0]
                .revents()
                .intersects(PollFlags::IN | PollFlags::HUP)
        };
        if readable {
            // EIO: nobody has the near end any more.
            let count = rustix::io::read(far, &mut chunk).unwrap_or(0);
            return (count > 0).then(|| String::from_utf8_lossy(&chunk[..count]).into_owned());
        }
        if start.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("it asks nothing and does not end");
        }
    }
}
