//! YAML to a tree, with Envoy's limits and conveniences: `!ignore` keys are skipped, merge keys are not known.

use super::tree::{DEEPEST, Entry, MOST_NODES, Malformed, Node, Shape};
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use std::borrow::Cow;
use std::collections::HashMap;

/// The one document in `text`.
pub(super) fn parse(text: &str) -> Result<Node, Malformed> {
    let mut reader = Reader { events: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0, line: 1 };
    reader.document()
}

/// Every document in `text`, in their order; one that is empty (or holds only remarks) is left out.
pub(super) fn parse_all(text: &str) -> Result<Vec<Node>, Malformed> {
    let mut reader = Reader { events: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0, line: 1 };
    reader.documents()
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    /// Of the last event.
    line: u32,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Node, Malformed> {
        self.next()?;
        match self.next()? {
            Event::DocumentStart(_) => {}
            _ => return Err(self.malformed("the file is empty: write a bootstrap (`static_resources: ...`)")),
        }
        let first = self.next()?;
        let root = self.node(first, 0)?;
        self.next()?;
        match self.next()? {
            Event::StreamEnd => Ok(root),
            _ => Err(self.malformed("a second document begins here: only one is allowed in a file")),
        }
    }

    fn documents(&mut self) -> Result<Vec<Node>, Malformed> {
        let mut found = Vec::new();
        loop {
            match self.next()? {
                Event::StreamEnd => return Ok(found),
                Event::DocumentStart(_) => {
                    self.anchors.clear();
                    let first = self.next()?;
                    let root = self.node(first, 0)?;
                    if !root.is_null() {
                        found.push(root);
                    }
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<Event<'a>, Malformed> {
        match self.events.next() {
            Some(Ok((event, span))) => {
                self.line = line_of(span);
                Ok(event)
            }
            Some(Err(error)) => {
                self.line = u32::try_from(error.marker().line()).unwrap_or(0);
                Err(self.malformed(&format!("not valid YAML: {}", error.info())))
            }
            None => Err(self.malformed("the file ends too early")),
        }
    }

    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Node, Malformed> {
        if depth >= DEEPEST {
            return Err(self.malformed(&format!("nested deeper than {DEEPEST} levels")));
        }
        self.grow(1)?;
        let line = self.line;
        let (anchor, shape) = match event {
            Event::Scalar(text, style, anchor, tag) => (anchor, self.scalar(text, style, tag.as_deref())?),
            Event::SequenceStart(anchor, tag) => (anchor, self.list(tag.as_deref(), depth)?),
            Event::MappingStart(anchor, tag) => (anchor, self.map(tag.as_deref(), depth)?),
            Event::Alias(anchor) => return self.alias(anchor, depth),
            _ => return Err(self.malformed("a value is missing here")),
        };
        let node = Node { line, shape };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn scalar(&self, text: Cow<'a, str>, style: ScalarStyle, tag: Option<&Tag>) -> Result<Shape, Malformed> {
        self.refuse_tag(tag)?;
        Ok(Shape::Scalar { text: text.into_owned(), quoted: style != ScalarStyle::Plain })
    }

    fn list(&mut self, tag: Option<&Tag>, depth: usize) -> Result<Shape, Malformed> {
        self.refuse_tag(tag)?;
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Shape::List(items)),
                event => items.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, tag: Option<&Tag>, depth: usize) -> Result<Shape, Malformed> {
        self.refuse_tag(tag)?;
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (key, ignored) = match self.next()? {
                Event::MappingEnd => return Ok(Shape::Map(entries)),
                Event::Scalar(text, _, _, tag) => (text.into_owned(), tag.is_some_and(|tag| tag.suffix == "ignore")),
                _ => return Err(self.malformed("a key must be plain text")),
            };
            let line = self.line;
            self.check_key(&key, &entries)?;
            let event = self.next()?;
            let value = self.node(event, depth + 1)?;
            // Envoy's tag for a key that only carries an anchor.
            if !ignored {
                entries.push(Entry { key, line, value });
            }
        }
    }

    fn check_key(&self, key: &str, entries: &[Entry]) -> Result<(), Malformed> {
        if key == "<<" {
            return Err(self.malformed("merge keys (`<<`) are unknown to Envoy: use an alias for the whole value"));
        }
        match entries.iter().find(|entry| entry.key == key) {
            Some(first) => Err(self.malformed(&format!("`{key}` is given twice, first on line {}", first.line))),
            None => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize, depth: usize) -> Result<Node, Malformed> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(self.malformed("an alias refers to a value that contains it"));
        };
        self.grow(node.size())?;
        if depth + node.depth() > DEEPEST {
            return Err(self.malformed(&format!("nested deeper than {DEEPEST} levels")));
        }
        Ok(node)
    }

    fn grow(&mut self, nodes: usize) -> Result<(), Malformed> {
        self.nodes += nodes;
        if self.nodes > MOST_NODES {
            return Err(self.malformed(&format!("more than {MOST_NODES} values, counting what aliases repeat")));
        }
        Ok(())
    }

    fn refuse_tag(&self, tag: Option<&Tag>) -> Result<(), Malformed> {
        match tag {
            Some(tag) if tag.handle != "!" || !tag.suffix.is_empty() => {
                Err(self.malformed(&format!("remove the tag `!!{}`, and quote the value if it is text", tag.suffix)))
            }
            _ => Ok(()),
        }
    }

    fn malformed(&self, text: &str) -> Malformed {
        Malformed { line: self.line, text: text.to_owned() }
    }
}

fn line_of(span: Span) -> u32 {
    u32::try_from(span.start.line()).unwrap_or(0)
}
