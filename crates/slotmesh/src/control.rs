//! `slotmesh control`: the control plane on a folder of files or a Kubernetes API server; printed for one node, or served.

mod print;
mod kube;
mod webhook;
mod serve;

use crate::cli::ControlArgs;
use std::process::ExitCode;

/// Prints what one node would get, or serves until it is told to end.
pub fn run(args: &ControlArgs) -> anyhow::Result<ExitCode> {
    match &args.node {
        Some(node) => print::run(args, node),
        None => serve::run(args).map(|()| ExitCode::SUCCESS),
    }
}
