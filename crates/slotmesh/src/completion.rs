//! `slotmesh completion`: what a shell needs to complete commands and flags.

use crate::cli::{Cli, print};
use clap::CommandFactory as _;
use clap_complete::{Shell, generate};
use std::process::ExitCode;

/// `slotmesh completion`.
#[derive(clap::Args, Debug)]
pub struct CompletionArgs {
    /// Whose words
    shell: Shell,
}

/// Prints a script: for bash `source <(slotmesh completion bash)`.
pub fn run(args: &CompletionArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "slotmesh", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
