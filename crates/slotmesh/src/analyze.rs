//! `slotmesh analyze`: what is wrong with files, before anybody serves them.

use crate::ask::{Form, KubeArgs, show};
use crate::cli::print;
use ::control::analyze::{Finding, Severity, Source, of, of_source};
use ::control::{Mesh, Schema};
use anyhow::{Context as _, bail};
use serde_json::json;
use std::fs;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The exit status with warnings, and with errors (or files that cannot be read).
const WARNINGS: u8 = 1;
const ERRORS: u8 = 2;

/// Deeper than any such folder: a guard against links in a circle.
const DEEPEST: usize = 16;

/// `slotmesh analyze`.
#[derive(clap::Args, Debug)]
pub struct AnalyzeArgs {
    /// Files of Kubernetes and Istio resources, or folders of them
    #[arg(value_name = "FILES", required_unless_present = "kube", conflicts_with = "kube")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    kube: KubeArgs,
    /// Reads Secrets too; without, those that typed resources name are taken to be there
    #[arg(long, requires = "kube")]
    secrets: bool,
    /// Form of what is printed
    #[arg(short = 'o', long, value_name = "FORM", default_value = "table")]
    output: Form,
}

/// Prints the findings; the exit status is that of the worst of them.
pub fn run(args: &AnalyzeArgs) -> anyhow::Result<ExitCode> {
    analyze(args).or_else(|error| {
        // With nowhere left to write to, the exit status has to say it alone.
        let _ = writeln!(stderr(), "slotmesh: {error:#}");
        Ok(ExitCode::from(ERRORS))
    })
}

fn analyze(args: &AnalyzeArgs) -> anyhow::Result<ExitCode> {
    let schema = Arc::new(Schema::load_mesh()?);
    let (findings, looked_at) = match args.kube.kube {
        true => {
            let cluster = args.kube.cluster()?;
            let namespace = args.kube.namespace.as_deref();
            let source = cluster.wait_long(Source::of_cluster(&cluster.client, namespace, args.secrets))??;
            let looked_at = format!("{} objects", source.count());
            (of_source(&schema, source, Mesh::default()), looked_at)
        }
        false => {
            let files = read(&args.files)?;
            (of(&schema, &files, Mesh::default()), format!("{} files", files.len()))
        }
    };
    match args.output {
        Form::Table => print(&told(&findings, &looked_at))?,
        form => show(form, &json!(findings), String::new)?,
    }
    Ok(match findings.first().map(|finding| finding.severity) {
        Some(Severity::Error) => ExitCode::from(ERRORS),
        Some(Severity::Warning) => ExitCode::from(WARNINGS),
        Some(Severity::Info) | None => ExitCode::SUCCESS,
    })
}

/// Name and text of these files, and of those in these folders.
pub fn read(named: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    let mut paths = Vec::new();
    for path in named {
        list(path, &mut paths, DEEPEST).with_context(|| format!("{} cannot be read", path.display()))?;
    }
    if paths.is_empty() {
        bail!("there is no .yaml, .yml or .json file: name files, or a folder that holds some");
    }
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        anyhow::Ok((path.display().to_string(), text))
    };
    paths.iter().map(read).collect()
}

/// The file itself, or what a folder holds, as `control --files` would look for it; by name.
fn list(path: &Path, found: &mut Vec<PathBuf>, depth: usize) -> std::io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let mut entries = fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let inner = entry.path();
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        let is_text = inner.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
        if !is_hidden && depth > 0 && (is_text || inner.is_dir()) {
            list(&inner, found, depth - 1)?;
        }
    }
    Ok(())
}

fn told(findings: &[Finding], looked_at: &str) -> String {
    let lines: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    format!("{lines}{looked_at}: {errors} errors, {warnings} warnings (each code is explained in docs/analyze.md)\n")
}
