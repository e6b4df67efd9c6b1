//! `asfaleia init`: writes a configuration from a few questions and from what it found.

use std::any::Any;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::ExposeSecret;

use super::Places;
use super::exit::{Exit, Failed, Result};
use crate::config::{self, Depth};
use crate::doctor::User;
use crate::init::{self, Dialogue, Found, Unanswered};

/// `asfaleia init`
#[derive(Args)]
pub(super) struct InitArgs {
    /// Ask nothing, take every default, and replace a file that is there (a copy is kept)
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(places: &Places, args: InitArgs) -> Result {
    let file = places.config();
    let file = std::path::absolute(&file).unwrap_or(file);
    let directory = file.parent().unwrap_or(Path::new("/")).to_owned();
    make_directory(&directory, 0o755, &file)?;
    let (mut input, mut output) = (io::stdin().lock(), io::stdout());
    let mut dialogue = Dialogue {
        terminal: input.is_terminal(),
        input: &mut input,
        output: &mut output,
        ended: args.yes,
        hide: hide_typing,
    };
    if file.exists() && !args.yes {
        let question = format!("{} is there. Replace it? A copy is kept", file.display());
        if !dialogue.agrees(&question, false)? {
            let why = format!("{} stays as it is (--yes replaces it)", file.display());
            return Err(Failed::new(Exit::CantCreate, why));
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::new(Exit::OsErr, format!("starting: {error}")))?;
    let found = runtime.block_on(Found::here());
    // A port that hangs holds a thread, and shall not hold us.
    runtime.shutdown_background();
    writeln!(dialogue.output, "{}", greeting(&found))?;
    let house = init::ask(&mut dialogue, &found, directory.join("secrets"));
    let house = house.map_err(|error| match &error {
        Unanswered::Io(why) if why.kind() != io::ErrorKind::InvalidData => {
            Failed::new(Exit::IoErr, error)
        }
        Unanswered::Io(_) | Unanswered::Refused(_) => Failed::new(Exit::Data, error),
    })?;
    drop(input);

    let secrets = house.secret_files();
    if !secrets.is_empty() {
        make_directory(&house.secrets, 0o700, &file)?;
        own(&house.secrets);
    }
    for secret in secrets {
        let path = house.secrets.join(secret.name);
        replace(
            &path,
            &format!("{}\n", secret.secret.expose_secret()),
            0o600,
        )?;
        writeln!(output, "wrote {} (for the service alone)", path.display())?;
    }
    replace(&file, &house.configuration(), 0o644)?;
    writeln!(output, "wrote {}", file.display())?;
    if let Err(rejected) = config::load(&file, Depth::Full) {
        return Err(Failed::new(Exit::Config, rejected));
    }
    let named = match places.config {
        Some(_) => format!(" --config {}", file.display()),
        None => String::new(),
    };
    writeln!(
        output,
        "next: asfaleia doctor{named}, then sudo systemctl restart asfaleia, asfaleia status"
    )?;
    Ok(())
}

fn greeting(found: &Found) -> String {
    let list = |paths: &[PathBuf]| match paths {
        [] => "none".to_owned(),
        paths => {
            let names = paths.iter().map(|path| path.display().to_string());
            names.collect::<Vec<_>>().join(", ")
        }
    };
    let chips = match found.chips.as_slice() {
        [] => "none".to_owned(),
        chips => chips.join(", "),
    };
    format!(
        "Found board {}, GPIO {chips}, serial ports {}, webcams {}.\n\
         Enter takes what stands in brackets; none leaves a thing out.",
        found.board.as_deref().unwrap_or("unknown"),
        list(&found.ports),
        list(&found.webcams)
    )
}

/// Makes it unless it is there, and sees before anything is asked that it can be written to.
fn make_directory(directory: &Path, mode: u32, file: &Path) -> Result {
    let made = DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(directory);
    let writable = made.and_then(|()| {
        rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).map_err(io::Error::from)
    });
    writable.map_err(|error| failed(directory, &error, file))
}

/// Writes a file with these rights in one step; what was there is kept under a name with a number.
fn replace(path: &Path, text: &str, mode: u32) -> Result {
    let write = || -> io::Result<()> {
        let beside = |end: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        if path.exists() {
            let copies = (1..).map(|number| beside(&format!(".{number}")));
            let copy = copies.into_iter().find(|copy| !copy.exists());
            fs::copy(path, copy.expect("there are more numbers than copies"))?;
        }
        let new = beside(".new");
        // One that an interrupted run left: it may have other rights.
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&new)?;
        // Whatever the umask takes away.
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if mode & 0o077 == 0 {
            own(&new);
        }
        fs::rename(&new, path)
    };
    write().map_err(|error| failed(path, &error, path))
}

/// Gives it to the service. Only root can; `doctor` says what is left to do.
fn own(path: &Path) {
    let (user, group) = User::of_the_service().ids();
    let _ = std::os::unix::fs::chown(path, Some(user), Some(group));
}

fn failed(path: &Path, error: &io::Error, file: &Path) -> Failed {
    let (exit, mend) = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            (Exit::NoPerm, "use sudo, or name another with --config")
        }
        _ => (Exit::CantCreate, "name another file with --config"),
    };
    let what = file.display();
    Failed::new(
        exit,
        format!("writing {} for {what}: {error} ({mend})", path.display()),
    )
}

/// The terminal as it was.
struct Shown(Termios);

impl Drop for Shown {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin().as_fd(), OptionalActions::Now, &self.0);
    }
}

fn hide_typing() -> Option<Box<dyn Any>> {
    let stdin = io::stdin();
    let was = tcgetattr(stdin.as_fd()).ok()?;
    let mut hidden = was.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(stdin.as_fd(), OptionalActions::Now, &hidden).ok()?;
    Some(Box::new(Shown(was)))
}
