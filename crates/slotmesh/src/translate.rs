//! `slotmesh translate`: typed resources as EnvoyFilters for those who stay on Istio, and back for those who leave it.

use crate::cli::{TranslateArgs, TranslateOutput, print};
use ::control::typed::translate::{Input, Translated, from_envoy_filters, to_envoy_filters};
use anyhow::{Context as _, bail};
use config::Schema;
use config::text::to_yaml;
use serde_json::json;
use std::fs;
use std::io::{Read as _, Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The exit status when something cannot be said in the other words; the rest was printed.
const LOST: u8 = 2;

/// Translates, prints, and lists on standard error what is not the same.
pub fn run(args: &TranslateArgs) -> anyhow::Result<ExitCode> {
    let mut input = Input::default();
    for file in &args.files {
        add(file, &mut input)?;
    }
    let mut told = stderr().lock();
    for problem in &input.problems {
        writeln!(told, "error: {problem}")?;
    }
    if !input.problems.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    let translated = if args.from_envoyfilter {
        from_envoy_filters(&Schema::load_mesh()?, &input)
    } else {
        to_envoy_filters(&input)
    };
    for note in &translated.notes {
        writeln!(told, "note: {note}")?;
    }
    for lost in &translated.lost {
        writeln!(told, "lost: {lost}")?;
    }
    if translated.documents.is_empty() && translated.lost.is_empty() {
        bail!("there is nothing to translate in these files");
    }
    print(&shown(&translated, args.output)?)?;
    Ok(if translated.lost.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(LOST) })
}

/// A file, standard input for `-`, or all files of a folder.
fn add(path: &Path, input: &mut Input) -> anyhow::Result<()> {
    let name = path.display().to_string();
    if name == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        input.add("standard input", &text);
    } else if path.is_dir() {
        let entries = fs::read_dir(path).with_context(|| format!("{name} cannot be listed"))?;
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        files.retain(|file| file.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|one| end == *one)));
        files.sort();
        files.iter().try_for_each(|file| add(file, input))?;
    } else {
        input.add(&name, &fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?);
    }
    Ok(())
}

fn shown(translated: &Translated, output: TranslateOutput) -> anyhow::Result<String> {
    Ok(match output {
        TranslateOutput::Yaml => translated.documents.iter().map(to_yaml).collect::<Vec<_>>().join("---\n"),
        TranslateOutput::Json => {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": translated.documents});
            format!("{}\n", serde_json::to_string_pretty(&list)?)
        }
    })
}
