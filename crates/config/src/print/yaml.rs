//! Just enough YAML to write: block mappings and lists, and text that is quoted wherever it could be misread.

use crate::written::{Node, Plain};
use std::fmt::Display;

/// A value to print.
pub(super) enum Yaml {
    /// Printed as it is: numbers, durations, names of enum values.
    Word(String),
    /// Text, quoted where needed.
    Text(String),
    /// Nothing is printed for an empty list.
    List(Vec<Yaml>),
    /// A mapping.
    Map(Map),
}

/// A mapping, in the order of its making.
#[derive(Default)]
pub(super) struct Map(Vec<(String, Yaml)>);

impl From<Map> for Yaml {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl Map {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn put(mut self, key: &str, value: impl Into<Yaml>) -> Self {
        self.0.push((key.to_owned(), value.into()));
        self
    }

    pub(super) fn some(self, key: &str, value: Option<impl Into<Yaml>>) -> Self {
        match value {
            Some(value) => self.put(key, value),
            None => self,
        }
    }

    pub(super) fn text(self, key: &str, value: &str) -> Self {
        self.put(key, Yaml::Text(value.to_owned()))
    }

    pub(super) fn text_if(self, key: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.text(key, value) }
    }

    pub(super) fn word(self, key: &str, value: impl Display) -> Self {
        self.put(key, Yaml::Word(value.to_string()))
    }

    /// Printed unless it is `default`.
    pub(super) fn word_unless<T: Display + PartialEq>(self, key: &str, value: T, default: T) -> Self {
        if value == default { self } else { self.word(key, value) }
    }

    /// Printed if true.
    pub(super) fn flag(self, key: &str, value: bool) -> Self {
        self.word_unless(key, value, false)
    }

    /// Printed unless it is empty.
    pub(super) fn list<T: Into<Yaml>>(self, key: &str, items: impl IntoIterator<Item = T>) -> Self {
        let items: Vec<Yaml> = items.into_iter().map(Into::into).collect();
        if items.is_empty() { self } else { self.put(key, Yaml::List(items)) }
    }

    /// The whole text of a document.
    pub(super) fn print(&self) -> String {
        let mut out = String::new();
        self.lines(&mut out, 0);
        out
    }

    /// One line for each key; the first begins where `out` ends, the others `indent` further in.
    fn lines(&self, out: &mut String, indent: usize) {
        for (number, (key, value)) in self.0.iter().enumerate() {
            if number > 0 {
                out.extend(std::iter::repeat_n(' ', indent));
            }
            out.push_str(&quoted(key));
            out.push(':');
            value.after_key(out, indent);
        }
    }
}

impl Yaml {
    fn after_key(&self, out: &mut String, indent: usize) {
        match self {
            Self::Map(map) if map.is_empty() => out.push_str(" {}\n"),
            Self::Map(map) => {
                start_line(out, indent + 2);
                map.lines(out, indent + 2);
            }
            Self::List(items) => {
                for item in items {
                    start_line(out, indent);
                    item.as_item(out, indent);
                }
            }
            scalar => scalar.on_the_line(out),
        }
    }

    fn as_item(&self, out: &mut String, indent: usize) {
        out.push('-');
        match self {
            Self::Map(map) if !map.is_empty() => {
                out.push(' ');
                map.lines(out, indent + 2);
            }
            other => other.after_key(out, indent + 2),
        }
    }

    fn on_the_line(&self, out: &mut String) {
        out.push(' ');
        match self {
            Self::Text(text) => out.push_str(&quoted(text)),
            Self::Word(word) => out.push_str(word),
            Self::List(_) | Self::Map(_) => {}
        }
        out.push('\n');
    }
}

impl Yaml {
    /// Any JSON; what says what a thing is comes first.
    fn of_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Array(items) if !items.is_empty() => {
                Self::List(items.iter().map(Self::of_json).collect())
            }
            serde_json::Value::Object(_) => Map::of_json(json).into(),
            word => Self::Word(word.to_string()),
        }
    }
}

impl Map {
    /// The entries of a mapping.
    pub(super) fn of_json(json: &serde_json::Value) -> Self {
        let mut entries: Vec<_> = json.as_object().into_iter().flatten().collect();
        entries.sort_by_key(|(key, _)| (*key != "@type", *key != "name"));
        Self(entries.into_iter().map(|(key, value)| (key.clone(), Yaml::of_json(value))).collect())
    }
}

/// Begins a line, unless one was begun already.
fn start_line(out: &mut String, indent: usize) {
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out.extend(std::iter::repeat_n(' ', indent));
}

/// `text` without quotes only if no reader of YAML could take it for anything else.
fn quoted(text: &str) -> String {
    let plain_bytes = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte));
    let plain_start = text.starts_with(|first: char| first.is_ascii_alphanumeric());
    let is_text = Node::scalar(0, text, false).plain() == Some(Plain::Text(text)) && text.parse::<f64>().is_err();
    if plain_bytes && plain_start && is_text {
        return text.to_owned();
    }
    // A JSON string is a YAML string, except that YAML has no surrogate pairs, which are not used here.
    serde_json::Value::from(text).to_string()
}
