//! What is asked, read from the files in `commands/`.
//!
//! A line is one command, its words quoted as `redis-cli` takes them, and its replies are compared byte for byte. In
//! front of the command may stand how else to compare them (`~sorted`, see [`Compare`]). `@raw "bytes"` sends bytes as
//! they are on a connection of their own, `@quiet` likewise where a proxy may stay silent, `@fresh` opens a new
//! connection. `== title` begins a chapter, which finds all servers empty; `@alone` in it, that a plain Redis is not
//! asked for its opinion. As words, `{reply}` is the string replied
//! last, `{keys:N}` are N keys, `{pairs:N}` N keys with values, `{bytes:N}` a string of so many bytes.

/// A part of a script that needs nothing from the ones before it.
pub struct Chapter {
    pub title: String,
    pub trouble: Trouble,
    /// Whether a plain Redis may be asked the same.
    pub referee: bool,
    pub steps: Vec<Step>,
}

/// What is wrong with the cluster in a chapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// `@half-moved`: two of the four keys `{moving}1` to `{moving}4` lie on another node already.
    HalfMoved,
    /// `@unowned`: the slot of the key `orphan` has no owner. It stays so.
    Unowned,
}

/// One line.
pub struct Step {
    pub text: String,
    pub act: Act,
    pub compare: Compare,
}

impl Chapter {
    pub fn new(title: &str, steps: Vec<Step>) -> Self {
        Self { title: title.to_owned(), trouble: Trouble::None, referee: true, steps }
    }

    fn add(&mut self, line: &str) {
        match line {
            "@alone" => self.referee = false,
            "@half-moved" => (self.trouble, self.referee) = (Trouble::HalfMoved, false),
            "@unowned" => (self.trouble, self.referee) = (Trouble::Unowned, false),
            _ => self.steps.push(step(line)),
        }
    }
}

impl Step {
    /// The words of a command; none of what is no command.
    pub fn words(&self) -> &[Vec<u8>] {
        match &self.act {
            Act::Command(words) => words,
            Act::Raw(..) | Act::Fresh => &[],
        }
    }
}

pub enum Act {
    /// One request, and its reply.
    Command(Vec<Vec<u8>>),
    /// Bytes on a connection of their own, and everything that comes back; whether silence is to be expected.
    Raw(Vec<u8>, bool),
    /// A new connection for what follows.
    Fresh,
}

/// How two replies have to be alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Byte for byte.
    Exact,
    /// Arrays have the same elements in any order.
    Sorted,
    /// Numbers may differ by two: time has passed between the replies.
    Near,
    /// The same types, negative numbers the same: random, or about a moment.
    Shape,
    /// A text of `name:value` lines with the same names and sections.
    Names,
}

impl Compare {
    fn of(mark: &str) -> Self {
        match mark {
            "~sorted" => Self::Sorted,
            "~near" => Self::Near,
            "~shape" => Self::Shape,
            "~names" => Self::Names,
            _ => panic!("no way to compare is called {mark}"),
        }
    }
}

/// All chapters of a file.
pub fn read(text: &str) -> Vec<Chapter> {
    let mut chapters: Vec<Chapter> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("== ") {
            Some(title) => chapters.push(Chapter::new(title, Vec::new())),
            None => chapters.last_mut().expect("a title comes first").add(line),
        }
    }
    chapters
}

fn step(line: &str) -> Step {
    let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
    let bytes = || words(rest).into_iter().next().unwrap_or_else(|| panic!("no bytes: {line}"));
    let exact = |act| Step { text: line.to_owned(), act, compare: Compare::Exact };
    match mark {
        "@fresh" => exact(Act::Fresh),
        "@raw" => exact(Act::Raw(bytes(), false)),
        "@quiet" => exact(Act::Raw(bytes(), true)),
        _ if mark.starts_with('~') => {
            Step { text: line.to_owned(), act: Act::Command(words(rest)), compare: Compare::of(mark) }
        }
        _ => exact(Act::Command(words(line))),
    }
}

/// The words of a line, quotes and escapes resolved, `{keys:N}` and its like written out.
pub fn words(line: &str) -> Vec<Vec<u8>> {
    let mut rest = line.as_bytes();
    let mut words = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return words;
        }
        let (word, after) = word(rest);
        expand(word, &mut words);
        rest = after;
    }
}

fn word(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut word = Vec::new();
    let (mut at, mut quoted) = (0, false);
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => quoted = !quoted,
            b' ' if !quoted => break,
            b'\\' => {
                let escaped = text[at];
                at += 1;
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'x' => {
                        let digits = std::str::from_utf8(&text[at..at + 2]).unwrap();
                        at += 2;
                        u8::from_str_radix(digits, 16).unwrap()
                    }
                    other => other,
                });
            }
            byte => word.push(*byte),
        }
    }
    (word, &text[at..])
}

fn expand(word: Vec<u8>, words: &mut Vec<Vec<u8>>) {
    let text = String::from_utf8_lossy(&word).into_owned();
    let counted = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).and_then(|text| text.split_once(':'));
    match counted.map(|(what, count)| (what, count.parse::<usize>().unwrap())) {
        Some(("bytes", count)) => words.push((0..count).map(|i| (i % 251) as u8).collect()),
        Some(("keys", count)) => words.extend((0..count).map(|i| format!("key-{i}").into_bytes())),
        Some(("pairs", count)) => {
            words.extend((0..count).flat_map(|i| [format!("key-{i}").into_bytes(), format!("value {i}").into_bytes()]));
        }
        _ => words.push(word),
    }
}
