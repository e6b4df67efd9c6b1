//! The command line: one file a subcommand.

mod accounts;
mod certificate;
mod check;
mod client;
mod command;
mod completions;
#[cfg(target_os = "linux")]
mod doctor;
mod drill;
mod events;
pub mod exit;
mod face;
#[cfg(target_os = "linux")]
mod init;
mod people;
mod power;
mod replay;
mod run;
mod service;
mod simulate;
mod status;
mod walk_test;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

pub use replay::ReplayArgs;
pub use run::RunArgs;
pub use simulate::SimulateArgs;

use client::Service;
use exit::Exit;

/// Where the package installs the configuration.
pub const CONFIG: &str = "/etc/asfaleia/asfaleia.toml";

/// Watches a home: sensors in; siren, photos, mail, phone calls and ventilation out.
#[derive(Parser)]
#[command(name = "asfaleia", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    places: Places,
    #[command(subcommand)]
    command: Command,
}

/// Where things are.
#[derive(Debug, Clone, Args)]
pub struct Places {
    /// The configuration [default: /etc/asfaleia/asfaleia.toml; `simulate` and `replay` bring
    /// their own]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// The running service's Unix socket [default: /run/asfaleia/asfaleia.sock, else under
    /// $XDG_RUNTIME_DIR]
    #[arg(long, value_name = "FILE", global = true)]
    pub socket: Option<PathBuf>,
}

impl Places {
    /// The configuration that was named, or the installed one.
    pub fn config(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| CONFIG.into())
    }
}

#[derive(Subcommand)]
enum Command {
    /// Run the service (systemd does)
    Run(RunArgs),
    /// The same program with a simulated house, mail server and telephone
    Simulate(SimulateArgs),
    /// Play a scenario in virtual time and print what would happen
    Replay(ReplayArgs),
    /// Check the configuration
    Check(check::CheckArgs),
    /// Print the JSON Schema of the configuration
    Schema,
    /// Ask a few questions and write a configuration
    #[cfg(target_os = "linux")]
    Init(init::InitArgs),
    /// Probe each device, right, server and account, and say what mends it; changes nothing
    #[cfg(target_os = "linux")]
    Doctor(doctor::DoctorArgs),
    /// Make the running service read its configuration again
    Reload,
    /// Show the panel, sensors, outputs and troubles
    Status(status::StatusArgs),
    /// Arm the panel
    Arm(command::ArmArgs),
    /// Disarm the panel; ends an intrusion alarm, never a gas alarm
    Disarm,
    /// Halt the detection of intrusion for a while
    Pause,
    /// Acknowledge: "I have seen it"; stops the calls
    Ack,
    /// Silence the buzzer
    Silence,
    /// Make somebody known: a PIN, a finger
    Enroll(people::EnrollArgs),
    /// Forget somebody, with all that they are known by
    Forget(people::ForgetArgs),
    /// List who is known
    People(people::PeopleArgs),
    /// Set somebody's password for the dashboard, also a forgotten one
    Password(accounts::PasswordArgs),
    /// Who may log in at the dashboard
    Account(accounts::AccountArgs),
    /// Tokens for programs that use the API
    Token(accounts::TokenArgs),
    /// Make a key and a self-signed certificate for the dashboard
    Certificate(certificate::CertificateArgs),
    /// Show what happened
    Events(events::EventsArgs),
    /// Try one output for real, or say whose face is in a picture
    Test(command::TestArgs),
    /// Send a marked test along every way to people, and see what arrives
    Drill(drill::DrillArgs),
    /// Every trigger beeps and is listed here, nothing else happens, until Ctrl-C
    WalkTest(walk_test::WalkTestArgs),
    /// The models of face recognition
    Models(face::ModelsArgs),
    /// Looks at pictures for the service
    #[command(hide = true)]
    Recognise(face::RecogniseArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Print the man page
    #[command(hide = true)]
    Man,
}

/// Parses the arguments, runs the subcommand, and turns its result into an exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are printed the same way, and are no mistakes.
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Ok
            };
            let _ = error.print();
            return exit.into();
        }
    };
    let exit = match run(cli) {
        Ok(()) => Exit::Ok,
        Err(failed) => {
            if !failed.error.is_empty() {
                // Nobody may be reading; the exit code still says it.
                let _ = writeln!(std::io::stderr(), "asfaleia: {}", failed.error);
            }
            failed.exit
        }
    };
    exit.into()
}

fn run(cli: Cli) -> exit::Result {
    let Cli { places, command } = cli;
    let service = || Service::find(places.socket.as_deref());
    match command {
        Command::Run(args) => run::run(&places, args),
        Command::Simulate(args) => simulate::run(&places, args),
        Command::Replay(args) => replay::run(&places, args),
        Command::Check(args) => check::check(&places, args),
        Command::Schema => check::schema(),
        #[cfg(target_os = "linux")]
        Command::Init(args) => init::run(&places, args),
        #[cfg(target_os = "linux")]
        Command::Doctor(args) => doctor::run(&places, args),
        Command::Reload => command::reload(&service()?),
        Command::Status(args) => status::run(&service()?, args),
        Command::Arm(args) => command::arm(&service()?, args),
        Command::Disarm => command::disarm(&service()?),
        Command::Pause => command::pause(&service()?),
        Command::Ack => command::acknowledge(&service()?),
        Command::Silence => command::silence(&service()?),
        Command::Enroll(args) => people::enroll(&places, args),
        Command::Forget(args) => people::forget(&service()?, &args),
        Command::People(args) => people::people(&service()?, &args),
        Command::Password(args) => accounts::password(&service()?, &args),
        Command::Account(args) => accounts::account(&service()?, &args),
        Command::Token(args) => accounts::token(&service()?, &args),
        Command::Certificate(args) => certificate::certificate(&args),
        Command::Events(args) => events::run(&service()?, args),
        Command::Test(args) => command::test(&places, args),
        Command::Models(args) => face::models(&places, args),
        Command::Recognise(args) => face::recognise(&args),
        Command::Drill(args) => drill::run(&service()?, args),
        Command::WalkTest(args) => walk_test::run(&service()?, args),
        Command::Completions(args) => completions::completions(args, Cli::command()),
        Command::Man => completions::man(Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_configuration_may_be_named_before_and_after_the_subcommand() {
        for args in [
            ["asfaleia", "--config", "a.toml", "check"],
            ["asfaleia", "check", "--config", "a.toml"],
        ] {
            let cli = Cli::try_parse_from(args).unwrap();
            assert_eq!(cli.places.config(), PathBuf::from("a.toml"));
        }
    }

    #[test]
    fn modes_are_understood_in_both_ways_people_write_them() {
        for mode in ["away", "armed_away"] {
            assert!(Cli::try_parse_from(["asfaleia", "arm", mode]).is_ok());
        }
        assert!(Cli::try_parse_from(["asfaleia", "arm", "disarmed"]).is_err());
    }
}
