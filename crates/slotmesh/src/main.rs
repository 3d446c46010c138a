//! slotmesh: makes a Redis Cluster look like one plain Redis at one plain address.

mod cli;
mod shorthand;
mod validate;
mod patch;
mod translate;
mod running;
mod control;
mod ask;
mod status;
mod config_of;
mod explain;
mod analyze;
mod completion;
mod boot;
mod demo;

use clap::Parser;
use cli::{Cli, Command};
use std::io::{Write, stderr};
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Proxy(args) => proxy(&args).map(|()| ExitCode::SUCCESS),
        Command::Validate { files } => validate::run(&files),
        Command::Control(args) => control::run(&args),
        Command::Patch(args) => patch::run(&args),
        Command::Translate(args) => translate::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Config(args) => config_of::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Analyze(args) => analyze::run(&args),
        Command::Completion(args) => completion::run(&args),
        Command::Demo(args) => demo::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        // With nowhere left to write to, the exit status has to say it alone.
        let _ = writeln!(stderr(), "slotmesh: {error:#}");
        ExitCode::FAILURE
    })
}

/// Reads the configuration, from a file or from the flags, then prints it or runs it until it is told to end.
fn proxy(args: &cli::ProxyArgs) -> anyhow::Result<()> {
    let loaded = match &args.file {
        Some(file) => config::load_file_with_dump(file)?,
        None => shorthand::load(&args.shorthand)?,
    };
    if args.print_config {
        return cli::print(&config::print::yaml(&loaded.proxy));
    }
    boot::run(loaded, boot::Options { workers: args.workers(), cache: args.xds_cache.clone() })
}
