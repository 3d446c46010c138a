//! `slotmesh validate`: every problem of every file, one a line.

use crate::cli::print;
use std::path::PathBuf;
use std::process::ExitCode;

/// Checks the files; fails if one of them has a problem.
pub fn run(files: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    for file in files {
        match config::load_file_with_dump(file) {
            Ok(loaded) => print(&sound(file, &loaded.proxy))?,
            Err(problems) => {
                status = ExitCode::FAILURE;
                print(&format!("{}\n", problems.to_string().trim_end()))?;
            }
        }
    }
    Ok(status)
}

fn sound(file: &std::path::Path, proxy: &meant::Proxy) -> String {
    let (listeners, clusters) = (proxy.listeners.len(), proxy.clusters.len());
    format!("{}: no problems (listeners: {listeners}, clusters: {clusters})\n", file.display())
}
