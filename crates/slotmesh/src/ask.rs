//! What the commands that ask a running control plane or proxy share: the question, the forms of the answer, and what is
//! said when there is none.

mod dump;
mod table;
mod kube;

use crate::cli::print;
use anyhow::{Context as _, bail};
use clap::ValueEnum;
use config::text::to_yaml;
use serde_json::Value;
use std::io::{Write as _, stderr};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use testkit::http::{self, Page};

pub use dump::{Dump, Entry};
pub use kube::KubeArgs;
pub use table::table;

/// The exit status when nobody could be asked.
pub const UNANSWERED: u8 = 2;

/// How much of a refusal is repeated, in characters.
const MOST_SAID: usize = 200;

/// How an answer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people
    Table,
    /// For programs
    Json,
    /// The same as YAML
    Yaml,
}

/// Prints `answer` for programs, or `table` for people.
pub fn show(form: Form, answer: &Value, table: impl FnOnce() -> String) -> anyhow::Result<()> {
    match form {
        Form::Table => print(&table()),
        Form::Json => print(&format!("{answer:#}\n")),
        Form::Yaml => print(&to_yaml(answer)),
    }
}

/// The outcome of a command whose exit status says whether there was an answer: a failure is told, and is 2.
pub fn answered(outcome: anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    Ok(outcome.unwrap_or_else(|error| {
        // With nowhere left to write to, the exit status has to say it alone.
        let _ = writeln!(stderr(), "slotmesh: {error:#}");
        ExitCode::from(UNANSWERED)
    }))
}

/// Somebody who is asked over HTTP.
#[derive(Debug)]
pub struct Asked {
    address: SocketAddr,
    name: String,
    advice: &'static str,
    /// What leads there, if it is not reached by itself.
    tunnel: Option<kube::Tunnel>,
}

impl Asked {
    /// The pages at `name`, a `HOST:PORT`; `advice` is what to do if nobody answers there.
    pub fn at(name: &str, advice: &'static str) -> anyhow::Result<Self> {
        let mut found = name.to_socket_addrs().with_context(|| format!("{name} is no HOST:PORT that is known"))?;
        let address = found.next().with_context(|| format!("{name} has no address"))?;
        Ok(Self { address, name: name.to_owned(), advice, tunnel: None })
    }

    /// Who it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A page as it is, whatever its status.
    pub fn page(&self, path: &str) -> anyhow::Result<Page> {
        let page = http::get(self.address, path);
        page.with_context(|| {
            let why = self.tunnel.as_ref().and_then(kube::Tunnel::problem);
            let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
            format!("nobody answers at http://{}{path}{why}; {}", self.name, self.advice)
        })
    }

    /// A page that holds JSON.
    pub fn json(&self, path: &str) -> anyhow::Result<Value> {
        let page = self.page(path)?;
        if page.status != 200 {
            let said: String = page.body.lines().next().unwrap_or_default().chars().take(MOST_SAID).collect();
            bail!("http://{}{path} says {} {said}; {}", self.name, page.status, self.advice);
        }
        serde_json::from_str(&page.body)
            .with_context(|| format!("http://{}{path} is not JSON; {}", self.name, self.advice))
    }
}

/// The text at a JSON pointer; empty if there is none.
pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The items of a JSON list; none if it is no list.
pub fn items<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
