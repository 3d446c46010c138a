//! The tree that a text spells, before anything is known about its types.

/// Deeper than any configuration, and shallow enough for a recursive walk. Protobuf's own limit.
pub(crate) const DEEPEST: usize = 100;

/// More values than any configuration has: aliases can make a short text grow without end.
pub(crate) const MOST_NODES: usize = 1_000_000;

/// One value and the line that it begins on.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The line, from 1.
    pub line: u32,
    /// The value.
    pub shape: Shape,
}

/// What kind of value it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Text; without quotes it may stand for something else, see [`Node::plain`].
    Scalar {
        /// As written, without its quotes.
        text: String,
        /// Whether it stood in quotes (or was a block of text).
        quoted: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping; keys are unique.
    Map(Vec<Entry>),
}

/// One entry of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The line of the key.
    pub line: u32,
    /// What stands under the key.
    pub value: Node,
}

/// What a scalar stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Plain<'a> {
    /// Nothing.
    Null,
    /// A boolean of YAML 1.1.
    Bool(bool),
    /// A whole number that fits 64 bits.
    Int(i128),
    /// Everything else, fractions included.
    Text(&'a str),
}

/// Text that is neither YAML nor JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text}")]
pub struct Malformed {
    /// The line that cannot be read, from 1.
    pub line: u32,
    /// What is wrong there.
    pub text: String,
}

impl Node {
    /// A scalar.
    pub(crate) fn scalar(line: u32, text: impl Into<String>, quoted: bool) -> Self {
        Self { line, shape: Shape::Scalar { text: text.into(), quoted } }
    }

    /// What a scalar stands for: quoted it is always text; plain it is read by the rules of YAML 1.1 as Envoy applies
    /// them (`y`, `No`, `OFF` are booleans, `010` is eight, fractions stay text). `None` for lists and mappings.
    pub fn plain(&self) -> Option<Plain<'_>> {
        let Shape::Scalar { text, quoted } = &self.shape else { return None };
        if *quoted {
            return Some(Plain::Text(text));
        }
        if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
            return Some(Plain::Null);
        }
        let number = || integer(text).map(Plain::Int);
        Some(boolean(text).map(Plain::Bool).or_else(number).unwrap_or(Plain::Text(text)))
    }

    /// Whether it is text without quotes.
    pub(crate) fn is_bare(&self) -> bool {
        matches!(self.shape, Shape::Scalar { quoted: false, .. })
    }

    /// What a list or mapping becomes when each value in it becomes `of`; null for a scalar.
    pub(crate) fn map_or_list(&self, of: impl Fn(&Node) -> serde_json::Value) -> serde_json::Value {
        match &self.shape {
            Shape::Scalar { .. } => serde_json::Value::Null,
            Shape::List(items) => items.iter().map(of).collect(),
            Shape::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), of(&entry.value))).collect(),
        }
    }

    /// Whether it stands for nothing, which unsets a field.
    pub fn is_null(&self) -> bool {
        self.plain() == Some(Plain::Null)
    }

    /// How many values it is made of.
    pub(crate) fn size(&self) -> usize {
        match &self.shape {
            Shape::Scalar { .. } => 1,
            Shape::List(items) => 1 + items.iter().map(Node::size).sum::<usize>(),
            Shape::Map(entries) => 1 + entries.iter().map(|entry| entry.value.size()).sum::<usize>(),
        }
    }

    /// How many levels it has.
    pub(crate) fn depth(&self) -> usize {
        match &self.shape {
            Shape::Scalar { .. } => 1,
            Shape::List(items) => 1 + items.iter().map(Node::depth).max().unwrap_or(0),
            Shape::Map(entries) => 1 + entries.iter().map(|entry| entry.value.depth()).max().unwrap_or(0),
        }
    }
}

/// A boolean of YAML 1.1: all lower case, all upper case, or capitalised.
fn boolean(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    let capitalised = text.starts_with(|first: char| first.is_ascii_uppercase()) && text.get(1..) == lower.get(1..);
    if text != lower && text != text.to_ascii_uppercase() && !capitalised {
        return None;
    }
    match lower.as_str() {
        "y" | "yes" | "true" | "on" => Some(true),
        "n" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// A whole number that fits 64 bits: decimal, `0x` hexadecimal, or octal after a leading zero.
fn integer(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let size = match hexadecimal {
        Some(digits) => i128::from(u64::from_str_radix(digits, 16).ok()?),
        None if digits.starts_with('0') => i128::from(u64::from_str_radix(digits, 8).ok()?),
        None => i128::from(digits.parse::<u64>().ok()?),
    };
    Some(if text.starts_with('-') { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::{Node, Plain};

    fn plain(text: &str) -> Node {
        Node::scalar(1, text, false)
    }

    #[test]
    fn plain_scalars_are_read_as_yaml_1_1() {
        for text in ["y", "Y", "yes", "Yes", "YES", "true", "True", "on", "ON"] {
            assert_eq!(plain(text).plain(), Some(Plain::Bool(true)), "{text}");
        }
        for text in ["n", "N", "no", "No", "NO", "false", "False", "off", "OFF"] {
            assert_eq!(plain(text).plain(), Some(Plain::Bool(false)), "{text}");
        }
        for text in ["", "~", "null", "NULL"] {
            assert_eq!(plain(text).plain(), Some(Plain::Null), "{text}");
        }
        for (text, number) in [("0", 0), ("6379", 6379), ("-3", -3), ("+3", 3), ("0x10", 16), ("010", 8)] {
            assert_eq!(plain(text).plain(), Some(Plain::Int(number)), "{text}");
        }
        for text in
            ["yEs", "5s", "5.0", "1e3", "08", "0b1", "1_000", "+", "x", "0x", "99999999999999999999", "++1", "é"]
        {
            assert_eq!(plain(text).plain(), Some(Plain::Text(text)), "{text}");
        }
        assert_eq!(Node::scalar(1, "n", true).plain(), Some(Plain::Text("n")));
    }
}
