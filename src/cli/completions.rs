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

/// One page: the program, then each subcommand.
pub(super) fn man(mut command: Command) -> Result {
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for subcommand in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let man = clap_mangen::Man::new(subcommand.clone());
        writeln!(page, ".SH \"asfaleia {}\"", subcommand.get_name())?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    std::io::stdout().write_all(&page)?;
    Ok(())
}
