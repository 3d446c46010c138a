//! INFO of several shards as if one server had written it.
//!
//! The sections and metrics are those that the servers sent, in the order in which they first came; nothing is invented
//! and nothing is dropped. What becomes of a metric's values is a row in [`rules`]; a metric that no row names follows
//! its section, because a later server's new counter in Stats is most likely a sum too, and a new line in Server is not.
//! Lines of `name=value` fields (Keyspace, Commandstats) are merged field by field. Figures that follow from others
//! (`used_memory_human`, the ratios) are computed again from the merged ones.

mod fields;
mod number;
mod rules;

use super::reply::{Reply, error, first_error, read};
use rules::Rule;
use std::borrow::Cow;
use std::collections::HashMap;

/// A metric and what the shards say of it, first shard first; and in the end one value.
struct Metric<'a> {
    name: Cow<'a, str>,
    values: Vec<&'a str>,
    merged: String,
}

struct Section<'a> {
    name: &'a str,
    metrics: Vec<Metric<'a>>,
}

/// The merged text, as a bulk string.
pub fn info(parts: &[&[u8]], out: &mut Vec<u8>) {
    if let Some(error) = first_error(parts) {
        return out.extend_from_slice(error);
    }
    let Some(texts) = parts.iter().map(|part| text(part)).collect::<Option<Vec<_>>>() else {
        return error("non-bulk-string response received from shard", out);
    };
    let mut sections = gather(&texts);
    merge(&mut sections);
    resp::write::bulk(out, written(&sections).as_bytes());
}

fn text(part: &[u8]) -> Option<Cow<'_, str>> {
    if let Reply::Bulk(text) = read(part) { Some(String::from_utf8_lossy(text)) } else { None }
}

/// All lines of all texts, under the section and the metric to which they belong.
fn gather<'a>(texts: &'a [Cow<'a, str>]) -> Vec<Section<'a>> {
    let mut sections: Vec<Section> = Vec::new();
    let mut places: HashMap<(usize, &str), usize> = HashMap::new();
    for text in texts {
        let mut current = None;
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(name) = line.strip_prefix("# ") {
                current = Some(section_named(name, &mut sections));
                continue;
            }
            let at = *current.get_or_insert_with(|| section_named("", &mut sections));
            place(at, line, &mut sections[at], &mut places);
        }
    }
    sections
}

fn section_named<'a>(name: &'a str, sections: &mut Vec<Section<'a>>) -> usize {
    sections.iter().position(|section| section.name == name).unwrap_or_else(|| {
        sections.push(Section { name, metrics: Vec::new() });
        sections.len() - 1
    })
}

fn place<'a>(at: usize, line: &'a str, section: &mut Section<'a>, places: &mut HashMap<(usize, &'a str), usize>) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    let (key, name) = match rules::of(section.name, name) {
        // Each line is a thing of its own; a module that is on every shard is one thing.
        Rule::EachLine => (line, Cow::Borrowed(name)),
        // `slave0` of the second shard is another replica than that of the first.
        Rule::EachReplica => {
            let count = section.metrics.iter().filter(|metric| rules::is_replica(&metric.name)).count();
            let name = Cow::Owned(format!("slave{count}"));
            return section.metrics.push(Metric { name, values: vec![value], merged: String::new() });
        }
        _ => (name, Cow::Borrowed(name)),
    };
    let metric = *places.entry((at, key)).or_insert_with(|| {
        section.metrics.push(Metric { name, values: Vec::new(), merged: String::new() });
        section.metrics.len() - 1
    });
    section.metrics[metric].values.push(value);
}

/// First what stands for itself, then what follows from it.
fn merge(sections: &mut [Section]) {
    for section in sections {
        for metric in &mut section.metrics {
            metric.merged = rules::of(section.name, &metric.name).merged(&metric.values);
        }
        let computed: Vec<(usize, String)> = section
            .metrics
            .iter()
            .enumerate()
            .filter_map(|(i, metric)| {
                let rule = rules::of(section.name, &metric.name);
                Some((i, rule.computed(|name| value_of(&section.metrics, name))?))
            })
            .collect();
        for (i, value) in computed {
            section.metrics[i].merged = value;
        }
    }
}

fn value_of(metrics: &[Metric], name: &str) -> Option<f64> {
    metrics.iter().find(|metric| metric.name == name)?.merged.parse().ok()
}

fn written(sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        if !section.name.is_empty() {
            text.push_str(&format!("# {}\r\n", section.name));
        }
        for metric in &section.metrics {
            text.push_str(&format!("{}:{}\r\n", metric.name, metric.merged));
        }
    }
    text
}

#[cfg(test)]
mod tests;
