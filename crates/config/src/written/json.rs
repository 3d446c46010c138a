//! JSON to a tree. Strings and numbers are left to `serde_json`, which keeps no lines; the structure is read here.

use super::tree::{DEEPEST, Entry, MOST_NODES, Malformed, Node, Shape};

/// The one value in `text`.
pub(super) fn parse(text: &str) -> Result<Node, Malformed> {
    let mut reader = Reader { text, at: 0, line: 1, nodes: 0 };
    let root = reader.node(0)?;
    match reader.peek() {
        None => Ok(root),
        Some(_) => Err(reader.malformed("something follows the end of the JSON value")),
    }
}

struct Reader<'a> {
    text: &'a str,
    /// The next byte.
    at: usize,
    line: u32,
    nodes: usize,
}

impl Reader<'_> {
    fn node(&mut self, depth: usize) -> Result<Node, Malformed> {
        self.nodes += 1;
        if depth >= DEEPEST || self.nodes > MOST_NODES {
            return Err(self.malformed("nested too deep, or too many values"));
        }
        let first = self.peek();
        let line = self.line;
        let shape = match first {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Shape::Scalar { text: self.string()?, quoted: true },
            Some(_) => self.bare()?,
            None => return Err(self.malformed("the text ends where a value is expected")),
        };
        Ok(Node { line, shape })
    }

    fn map(&mut self, depth: usize) -> Result<Shape, Malformed> {
        let mut entries: Vec<Entry> = Vec::new();
        self.at += 1;
        while !self.take(b'}') {
            self.separator(b',', entries.is_empty())?;
            if self.peek() != Some(b'"') {
                return Err(self.malformed("a key in double quotes is expected"));
            }
            let (line, key) = (self.line, self.string()?);
            if entries.iter().any(|entry| entry.key == key) {
                return Err(self.malformed(&format!("`{key}` is given twice")));
            }
            self.separator(b':', false)?;
            let value = self.node(depth + 1)?;
            entries.push(Entry { key, line, value });
        }
        Ok(Shape::Map(entries))
    }

    fn list(&mut self, depth: usize) -> Result<Shape, Malformed> {
        let mut items = Vec::new();
        self.at += 1;
        while !self.take(b']') {
            self.separator(b',', items.is_empty())?;
            items.push(self.node(depth + 1)?);
        }
        Ok(Shape::List(items))
    }

    fn separator(&mut self, byte: u8, none_needed: bool) -> Result<(), Malformed> {
        if none_needed || self.take(byte) {
            return Ok(());
        }
        Err(self.malformed(&format!("a `{}` is expected", char::from(byte))))
    }

    fn string(&mut self) -> Result<String, Malformed> {
        let mut end = self.at + 1;
        let bytes = self.text.as_bytes();
        while bytes.get(end).is_some_and(|byte| *byte != b'"') {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        let literal = self.text.get(self.at..=end).ok_or_else(|| self.malformed("a string does not end"))?;
        let text = serde_json::from_str(literal).map_err(|_| self.malformed("not a valid JSON string"))?;
        self.at = end + 1;
        Ok(text)
    }

    /// A number, `true`, `false` or `null`.
    fn bare(&mut self) -> Result<Shape, Malformed> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| c.is_ascii_whitespace() || ",:]}".contains(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        if serde_json::from_str::<serde_json::Value>(word).is_err() {
            return Err(self.malformed(&format!("`{word}` is not a JSON value: text needs double quotes")));
        }
        self.at += end;
        Ok(Shape::Scalar { text: word.to_owned(), quoted: false })
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            match byte {
                b'\n' => self.line += 1,
                b' ' | b'\t' | b'\r' => {}
                other => return Some(other),
            }
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn malformed(&self, text: &str) -> Malformed {
        Malformed { line: self.line, text: format!("not valid JSON: {text}") }
    }
}
