//! `completions` and `man`: what the package installs beside the program.

use std::io::Write;

use clap::{Args, Command};
use clap_complete::Shell;

use super::exit::Result;

/// `asfaleia completions`
#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

pub(super) fn completions(args: CompletionsArgs, mut command: Command) -> Result {
    // Into memory first: the generator panics where standard output is closed early.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "asfaleia", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(())
}

/// One page: the program, then each subcommand with its own arguments.
pub(super) fn man(command: Command) -> Result {
    let mut page = Vec::new();
    let subcommands: Vec<_> = command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set())
        .cloned()
        .collect();
    let man = clap_mangen::Man::new(command);
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_options_section(&mut page)?;
    writeln!(page, ".SH COMMANDS")?;
    for subcommand in subcommands {
        writeln!(
            page,
            ".SS \"{}\"",
            subcommand.get_name().replace('-', "\\-")
        )?;
        let man = clap_mangen::Man::new(subcommand);
        let mut sections = Vec::new();
        man.render_description_section(&mut sections)?;
        man.render_options_section(&mut sections)?;
        // They are headed as in a page of their own.
        for line in String::from_utf8_lossy(&sections).lines() {
            match line.starts_with(".SH") {
                true => writeln!(page, ".PP")?,
                false => writeln!(page, "{line}")?,
            }
        }
    }
    std::io::stdout().write_all(&page)?;
    Ok(())
}
