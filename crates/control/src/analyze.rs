//! What is wrong with a set of files, before anybody serves them.
//!
//! [`of`] reads them as the control plane does, asks what the sidecar of every workload in them would get, and looks for
//! what is known to go wrong. Each rule is a pure function from that world to findings, with a code of its own; the
//! codes are explained in `docs/analyze.md`.

mod source;
mod world;
mod patches;
mod typed;
mod routes;
mod nodes;
mod given;

pub use given::{Decided, Given, NotGiven, given};
pub use source::{Source, Unlisted};

use crate::written::mesh::Mesh;
use config::Schema;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use world::World;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does not work, or not as written.
    Error,
    /// It may not do what its author expects.
    Warning,
    /// Good to know.
    Info,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule, as in `SM0101`.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// The file.
    pub file: String,
    /// The line in it; 0 if there is none.
    pub line: u32,
    /// What it is about, as in `EnvoyFilter redis/a configPatches[0]`; empty for a file.
    pub about: String,
    /// What is wrong.
    pub text: String,
    /// What to do.
    pub advice: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        write!(f, "{severity} [{}] {}", self.code, self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        let about = if self.about.is_empty() { String::new() } else { format!(" {}:", self.about) };
        write!(f, ":{about} {}\n    {}", self.text, self.advice)
    }
}

/// A rule: its code, its severity, what to do, and who finds it.
struct Rule {
    code: &'static str,
    severity: Severity,
    advice: &'static str,
    find: fn(&World) -> Vec<Found>,
}

/// What a rule found: where, about what, and the words.
struct Found {
    file: String,
    line: u32,
    about: String,
    text: String,
}

/// Every rule, by code.
const RULES: &[Rule] = &[
    Rule {
        code: "SM0001",
        severity: Severity::Error,
        advice: "Mend the file: as long as it is like this, nothing in it counts.",
        find: world::bad_files,
    },
    Rule {
        code: "SM0002",
        severity: Severity::Info,
        advice: "Look whether it is misspelt; if not, take it out, or live without its effect.",
        find: world::without_effect,
    },
    Rule {
        code: "SM0003",
        severity: Severity::Error,
        advice: "Give one of them another name, or take one out: only the first counts.",
        find: world::twice,
    },
    Rule {
        code: "SM0101",
        severity: Severity::Warning,
        advice: "Change the match to what the sidecars have; `slotmesh control --print` shows it.",
        find: patches::nowhere,
    },
    Rule {
        code: "SM0102",
        severity: Severity::Error,
        advice: "Write the service's present address into the listener's name, or use a RedisService, which follows it.",
        find: patches::moved,
    },
    Rule {
        code: "SM0103",
        severity: Severity::Error,
        advice: "Mend it: the API server would not store it, so its former version (or nothing) is in force.",
        find: patches::refused,
    },
    Rule {
        code: "SM0104",
        severity: Severity::Warning,
        advice: "Change its workloadSelector or its namespace, or add the workloads that it is for.",
        find: patches::for_nobody,
    },
    Rule {
        code: "SM0105",
        severity: Severity::Error,
        advice: "Mend the patch: slotmesh sends the resource without it; under istiod proxies refuse all of the update.",
        find: patches::held_back,
    },
    Rule {
        code: "SM0106",
        severity: Severity::Warning,
        advice: "Write what is meant: the patch does something else than it says.",
        find: patches::odd,
    },
    Rule {
        code: "SM0107",
        severity: Severity::Error,
        advice: "Name a host and port that a Service or ServiceEntry declares, or add it: until then the resource does nothing.",
        find: typed::no_such_place,
    },
    Rule {
        code: "SM0108",
        severity: Severity::Error,
        advice: "Add the Secret with that key to the resource's namespace: until then the resource does nothing.",
        find: typed::no_such_secret,
    },
    Rule {
        code: "SM0201",
        severity: Severity::Error,
        advice: "Add the cluster (a Service, or an EnvoyFilter that adds it), or name one that is there.",
        find: routes::undefined,
    },
    Rule {
        code: "SM0202",
        severity: Severity::Error,
        advice: "Add the mirror's Service, or name one that is there: until then nothing is mirrored.",
        find: routes::undefined_mirrors,
    },
    Rule {
        code: "SM0203",
        severity: Severity::Error,
        advice: "Give the clusters different names: proxies take one of them, or refuse both.",
        find: routes::added_twice,
    },
    Rule {
        code: "SM0204",
        severity: Severity::Warning,
        advice: "Use PREFER_REPLICA, or add replicas: with REPLICA every read fails where a shard has none.",
        find: routes::replicas_missing,
    },
    Rule {
        code: "SM0205",
        severity: Severity::Warning,
        advice: "Name another cluster as the mirror, or take it out: every command would be carried out twice.",
        find: routes::mirrored_to_itself,
    },
    Rule {
        code: "SM0206",
        severity: Severity::Warning,
        advice: "Set enable_redirection: true, or clients read MOVED and ASK while slots move or a primary fails.",
        find: routes::redirections_ignored,
    },
    Rule {
        code: "SM0301",
        severity: Severity::Error,
        advice: "Add a transport_socket with Istio's certificates to the cluster, or a port-level PeerAuthentication.",
        find: nodes::plaintext_to_strict,
    },
    Rule {
        code: "SM0302",
        severity: Severity::Warning,
        advice: "Start the servers with --cluster-announce-ip $(POD_IP) (POD_IP from status.podIP).",
        find: nodes::announce_loopback,
    },
];

/// What is wrong with files that are given as name and text; those that matter most come first.
#[must_use]
pub fn of(schema: &Arc<Schema>, files: &[(String, String)], mesh: Mesh) -> Vec<Finding> {
    of_source(schema, Source::of_files(files), mesh)
}

/// The same of objects from anywhere.
#[must_use]
pub fn of_source(schema: &Arc<Schema>, source: Source, mesh: Mesh) -> Vec<Finding> {
    let world = World::new(schema, source, mesh);
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| applied(rule, &world)).collect();
    let key = |one: &Finding| (one.severity, one.code, one.file.clone(), one.line, one.about.clone(), one.text.clone());
    findings.sort_by_key(key);
    findings.dedup();
    findings
}

/// Every code with its severity.
pub fn codes() -> impl Iterator<Item = (&'static str, Severity)> {
    RULES.iter().map(|rule| (rule.code, rule.severity))
}

fn applied(rule: &Rule, world: &World) -> Vec<Finding> {
    let finding = |found: Found| Finding {
        code: rule.code,
        severity: rule.severity,
        file: found.file,
        line: found.line,
        about: found.about,
        text: found.text,
        advice: rule.advice.to_owned(),
    };
    (rule.find)(world).into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests;
