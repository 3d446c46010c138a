//! The words of a verdict, as Kubernetes has them.

use std::sync::Arc;

/// The longest message that is told, in bytes; Kubernetes takes 32 KiB.
const LONGEST: usize = 2048;

/// Which resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct About {
    pub(crate) kind: &'static str,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The file that it stands in, or as in `kube:RedisService/redis/cluster`.
    pub(crate) source: Arc<str>,
}

impl About {
    /// Whether an API server has it.
    pub(crate) fn is_on_server(&self) -> bool {
        self.source.starts_with("kube:")
    }
}

/// `status` of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    /// `type`: `Accepted` or `Programmed`.
    pub(crate) kind: &'static str,
    pub(crate) truth: Truth,
    /// One word for programs.
    pub(crate) reason: &'static str,
    /// For people.
    pub(crate) message: String,
}

impl Condition {
    pub(crate) fn accepted(truth: Truth, reason: &'static str, message: String) -> Self {
        Self { kind: "Accepted", truth, reason, message: short(message) }
    }

    pub(crate) fn programmed(truth: Truth, reason: &'static str, message: String) -> Self {
        Self { kind: "Programmed", truth, reason, message: short(message) }
    }
}

/// What became of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) about: About,
    /// The generation that it is about; 0 where nobody counts.
    pub(crate) generation: i64,
    /// `Accepted`, `Programmed`.
    pub(crate) conditions: [Condition; 2],
}

fn short(mut message: String) -> String {
    if message.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}

/// Up to three names, and how many there are besides.
pub(crate) fn some(names: &[&str]) -> String {
    let shown = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(3);
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, short, some};

    #[test]
    fn messages_and_lists_are_bounded() {
        assert_eq!(short("é".to_owned()), "é");
        let long = short("é".repeat(LONGEST) + "x");
        assert_eq!((long.len(), long.ends_with("é…")), (LONGEST + '…'.len_utf8(), true));
        assert_eq!(some(&["a", "b", "c"]), "a, b, c");
        assert_eq!(some(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
