//! Where problems are gathered while a configuration is read, and which of them are worth telling.
//!
//! One mistake must not be told three times: a duration that cannot be read would also be missed by the rule that
//! requires it, and a field that is not supported may hold further mistakes that vanish with it. So the report
//! remembers which paths were spoilt by an earlier problem and which were refused whole.

use crate::problem::{Problem, Problems};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// The problems found so far in one source, and the line of every field in it.
pub(crate) struct Report {
    file: String,
    lines: RefCell<HashMap<String, u32>>,
    spoilt: RefCell<HashSet<String>>,
    /// By path, the text that is told of it.
    unsupported: RefCell<HashMap<String, String>>,
    found: RefCell<Vec<(String, String)>>,
}

impl Report {
    pub(crate) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            lines: RefCell::default(),
            spoilt: RefCell::default(),
            unsupported: RefCell::default(),
            found: RefCell::default(),
        }
    }

    /// Remembers that the field at `path` stands on `line`.
    pub(crate) fn place(&self, path: &str, line: u32) {
        self.lines.borrow_mut().insert(path.to_owned(), line);
    }

    /// The line of the field at `path`, or of the nearest field around it; 0 if unknown.
    pub(crate) fn line(&self, path: &str) -> u32 {
        let lines = self.lines.borrow();
        enclosing(path).find_map(|around| lines.get(around).copied()).unwrap_or(0)
    }

    /// What stands at `path` cannot be read. Later judgements on it are not told.
    pub(crate) fn unreadable(&self, path: &str, text: impl Into<String>) {
        self.spoil(path);
        self.found.borrow_mut().push((path.to_owned(), text.into()));
    }

    /// Suppresses later judgements on `path` without telling anything.
    pub(crate) fn spoil(&self, path: &str) {
        self.spoilt.borrow_mut().insert(path.to_owned());
    }

    /// What stands at `path` could be read, and is wrong.
    pub(crate) fn wrong(&self, path: &str, text: impl Into<String>) {
        if !self.is_spoilt(path) {
            self.found.borrow_mut().push((path.to_owned(), text.into()));
        }
    }

    /// What stands at `path` may be right for Envoy, but slotmesh cannot do it. No other problem with it or inside it
    /// is told: they vanish with it.
    pub(crate) fn unsupported(&self, path: &str, text: impl Into<String>) {
        let text = text.into();
        self.wrong(path, text.as_str());
        self.unsupported.borrow_mut().entry(path.to_owned()).or_insert(text);
    }

    /// Whether an earlier problem explains anything odd at `path`.
    pub(crate) fn is_spoilt(&self, path: &str) -> bool {
        let spoilt = self.spoilt.borrow();
        enclosing(path).any(|around| spoilt.contains(around))
    }

    /// Everything worth telling; `Ok` if there is nothing.
    pub(crate) fn finish(self) -> Result<(), Problems> {
        let unsupported = self.unsupported.borrow();
        let inside = |path: &str| enclosing(path).skip(1).any(|around| unsupported.contains_key(around));
        let found = self.found.borrow();
        let beside = |path: &str, text: &str| unsupported.get(path).is_some_and(|told| told != text);
        let told = found.iter().filter(|(path, text)| !inside(path) && !beside(path, text));
        let problems: Vec<Problem> = told.map(|(path, text)| self.problem(path, text)).collect();
        if problems.is_empty() { Ok(()) } else { Err(Problems::new(problems)) }
    }

    fn problem(&self, path: &str, text: &str) -> Problem {
        Problem { file: self.file.clone(), line: self.line(path), path: path.to_owned(), text: text.to_owned() }
    }
}

/// `path` and every path around it, innermost first, down to the empty path of the file itself.
fn enclosing(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |inner| around(inner))
}

fn around(path: &str) -> Option<&str> {
    if path.is_empty() { None } else { path.get(..cut(path)) }
}

/// Where the last part of `path` begins; the quoted key of a map entry (`["a.b"]`) is one part.
fn cut(path: &str) -> usize {
    if path.ends_with("\"]") {
        return path.rfind("[\"").unwrap_or(0);
    }
    path.rfind(['.', '[']).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Report, enclosing};

    #[test]
    fn paths_enclose_each_other() {
        let parts: Vec<&str> = enclosing("a.b[0].c[\"x.y[1]\"].d").collect();
        let expected = ["a.b[0].c[\"x.y[1]\"].d", "a.b[0].c[\"x.y[1]\"]", "a.b[0].c", "a.b[0]", "a.b", "a", ""];
        assert_eq!(parts, expected);
    }

    #[test]
    fn a_mistake_is_told_once() {
        let report = Report::new("f");
        report.place("", 1);
        report.place("a", 3);
        report.unreadable("a.b", "not a number");
        report.wrong("a.b", "required");
        report.wrong("a.b.c", "too small");
        report.wrong("x.y", "odd");
        report.wrong("x", "required");
        report.unsupported("x", "not supported yet");
        report.wrong("z", "odd");
        let problems = report.finish().unwrap_err();
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["f:1: x: not supported yet", "f:1: z: odd", "f:3: a.b: not a number"]);
    }
}
