//! Where in a document something is wrong: a path of fields, and the line that it stands on.

use config::text::{Node, Shape};
use serde_ignored::Path as Ignored;
use serde_path_to_error::{Path, Segment};

/// One step from a value to a value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// The way that `serde_path_to_error` went.
pub(crate) fn steps(path: &Path) -> Vec<Step> {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(step).collect()
}

/// The way to a field that nobody asked for.
pub(crate) fn ignored(path: &Ignored) -> Vec<Step> {
    let (parent, step) = match path {
        Ignored::Root => return Vec::new(),
        Ignored::Seq { parent, index } => (parent, Some(Step::Index(*index))),
        Ignored::Map { parent, key } => (parent, Some(Step::Key(key.clone()))),
        Ignored::Some { parent } | Ignored::NewtypeStruct { parent } | Ignored::NewtypeVariant { parent } => {
            (parent, None)
        }
    };
    let mut steps = ignored(parent);
    steps.extend(step);
    steps
}

/// A way as users write it: `spec.ports[0].port`.
pub(crate) fn spelt(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Index(index) => text.push_str(&format!("[{index}]")),
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.push_str(&format!(".{key}")),
        }
    }
    text
}

/// The line of the value at the end of the way, or of the last one on it that is there.
pub(crate) fn line(root: &Node, steps: &[Step]) -> u32 {
    let (mut node, mut line) = (root, root.line);
    for step in steps {
        let next = match (step, &node.shape) {
            (Step::Key(key), Shape::Map(entries)) => {
                entries.iter().find(|entry| entry.key == *key).map(|entry| (&entry.value, entry.line))
            }
            (Step::Index(index), Shape::List(items)) => items.get(*index).map(|item| (item, item.line)),
            _ => None,
        };
        let Some(found) = next else { break };
        (node, line) = found;
    }
    line
}
