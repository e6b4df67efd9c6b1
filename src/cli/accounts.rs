//! `asfaleia password`, `account`, `token`: who may log in at the dashboard, and which programs.

use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::client::Service;
use super::exit::Result;
use super::people::{in_a_path, line, typed_twice};

/// `asfaleia password`
#[derive(Args)]
pub(super) struct PasswordArgs {
    /// Whose it is
    name: String,
    /// What they may do [default: what they may already; the first one owner, others guest]
    #[arg(long, value_enum)]
    role: Option<Role>,
    /// Read it from the standard input, once
    #[arg(long)]
    stdin: bool,
}

/// `asfaleia account`
#[derive(Args)]
pub(super) struct AccountArgs {
    #[command(subcommand)]
    what: AccountWhat,
}

#[derive(Subcommand)]
enum AccountWhat {
    /// List who has a password
    List(ListArgs),
    /// Remove an account; its browsers are logged out
    Remove {
        /// Whose
        name: String,
    },
}

/// `asfaleia token`
#[derive(Args)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    what: TokenWhat,
}

#[derive(Subcommand)]
enum TokenWhat {
    /// Make a token for a program, and print it, this once
    Add {
        /// What for
        name: String,
        /// What it may do
        #[arg(long, value_enum, default_value_t)]
        role: Role,
    },
    /// List the tokens that count
    List(ListArgs),
    /// A token counts no longer
    Revoke {
        /// Which
        name: String,
    },
}

#[derive(Args)]
struct ListArgs {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What somebody may do.
#[derive(Debug, Default, Clone, Copy, ValueEnum)]
enum Role {
    /// Everything
    Owner,
    /// See, and acknowledge
    #[default]
    Guest,
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Guest => "guest",
        }
    }
}

pub(super) fn password(service: &Service, args: &PasswordArgs) -> Result {
    let password = match args.stdin {
        true => line("password")?,
        false => typed_twice("password")?,
    };
    let role = args.role.map(Role::word);
    let body = json!({ "name": args.name, "password": password, "role": role });
    let set = service.block_on(service.post("accounts", &body))?;
    let text = |key: &str| set[key].as_str().unwrap_or_default();
    let (name, role) = (text("name"), text("role"));
    writeln!(
        std::io::stdout(),
        "the password of {name} ({role}) is in force; who was logged in as {name} is logged out"
    )?;
    Ok(())
}

pub(super) fn account(service: &Service, args: &AccountArgs) -> Result {
    match &args.what {
        AccountWhat::List(args) => list(service, "accounts", args, "asfaleia password NAME"),
        AccountWhat::Remove { name } => {
            service.block_on(service.delete(&format!("accounts/{}", in_a_path(name))))?;
            writeln!(std::io::stdout(), "{name} cannot log in any more")?;
            Ok(())
        }
    }
}

pub(super) fn token(service: &Service, args: &TokenArgs) -> Result {
    match &args.what {
        TokenWhat::Add { name, role } => {
            let body = json!({ "name": name, "role": role.word() });
            let added = service.block_on(service.post("tokens", &body))?;
            let token = added["token"].as_str().unwrap_or_default();
            writeln!(std::io::stdout(), "{token}")?;
            // The token alone is on the standard output.
            writeln!(
                std::io::stderr(),
                "it is shown this once; show it as the header Authorization: Bearer {}…",
                token.get(..8).unwrap_or_default()
            )?;
            Ok(())
        }
        TokenWhat::List(args) => list(service, "tokens", args, "asfaleia token add NAME"),
        TokenWhat::Revoke { name } => {
            service.block_on(service.delete(&format!("tokens/{}", in_a_path(name))))?;
            writeln!(std::io::stdout(), "the token {name} counts no longer")?;
            Ok(())
        }
    }
}

fn list(service: &Service, what: &str, args: &ListArgs, first: &str) -> Result {
    let answer: Value = service.block_on(service.get(what))?;
    let mut out = std::io::stdout();
    if args.json {
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    let all = answer[what].as_array().map_or(&[][..], Vec::as_slice);
    if all.is_empty() {
        writeln!(out, "none yet ({first})")?;
    }
    for one in all {
        let text = |key: &str| one[key].as_str().unwrap_or_default();
        writeln!(
            out,
            "{}: {}, since {}",
            text("name"),
            text("role"),
            text("since")
        )?;
    }
    Ok(())
}
