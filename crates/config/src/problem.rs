//! What is wrong with a configuration, for the person who has to mend it.

use std::fmt;

/// One thing that must be changed before the configuration can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file (or other source) that it stands in.
    pub file: String,
    /// The line of the field, from 1; of the nearest field around it where it is missing; 0 if there is no line.
    pub line: u32,
    /// The field, as in `static_resources.listeners[0].name`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what to do.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.text)
    }
}

/// Every problem of a configuration, in the order of its lines; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", lines(.0), count(.0.len()))]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `problems`, sorted by line.
    pub(crate) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| (a.line, &a.path, &a.text).cmp(&(b.line, &b.path, &b.text)));
        problems.dedup();
        Self(problems)
    }

    /// The problem of a file that could not be read at all.
    pub(crate) fn whole(file: &str, text: impl Into<String>) -> Self {
        Self(vec![Problem { file: file.to_owned(), line: 0, path: String::new(), text: text.into() }])
    }

    /// The problems in the order of their lines.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none; a loader never returns such a value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

fn count(problems: usize) -> String {
    if problems == 1 { "1 problem".to_owned() } else { format!("{problems} problems") }
}

#[cfg(test)]
mod tests {
    use super::{Problem, Problems};

    fn problem(line: u32, path: &str, text: &str) -> Problem {
        Problem { file: "a.yaml".to_owned(), line, path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn one_line_each_then_a_count() {
        let problems =
            Problems::new(vec![problem(7, "node.id", "odd"), problem(2, "", "worse"), problem(2, "", "worse")]);
        assert_eq!(problems.to_string(), "a.yaml:2: worse\na.yaml:7: node.id: odd\n2 problems");
        assert_eq!(Problems::whole("a.yaml", "gone").to_string(), "a.yaml: gone\n1 problem");
    }
}
