//! Envoy's own validation rules, read from the descriptors (`validate.rules`), told in our own words.
//!
//! Envoy compiles these rules into its binary (protoc-gen-validate) and refuses what breaks them; here the same rules
//! are read at run time, so they are those of the API version whose descriptors are compiled in.

mod book;
mod field;
mod order;
mod text;

pub(crate) use order::nanoseconds;

use crate::report::Report;
use crate::schema::{Schema, names};
use crate::written::{child, child_of_map};
use book::{Book, MessageRules};
use prost_reflect::{DynamicMessage, MapKey, ReflectMessage, Value};

/// A message inside a message inside a message: deeper than the reader of text lets any be.
const DEEPEST: usize = 200;

/// Checks messages against the rules of their descriptors.
pub(crate) struct Rules<'a> {
    schema: &'a Schema,
    report: &'a Report,
    book: Book,
}

impl<'a> Rules<'a> {
    pub(crate) fn new(schema: &'a Schema, report: &'a Report) -> Self {
        Self { schema, report, book: Book::new(schema) }
    }

    /// Reports every rule that `message`, standing at `path`, or a message inside it breaks.
    pub(crate) fn check(&self, message: &DynamicMessage, path: &str) {
        self.message(message, path, 0);
    }

    fn message(&self, message: &DynamicMessage, path: &str, depth: usize) {
        if depth > DEEPEST {
            return self.report.wrong(path, format!("nested deeper than {DEEPEST} levels"));
        }
        let rules = self.book.of(&message.descriptor());
        self.own_fields(&rules, message, path);
        self.oneofs(&rules, message, path);
        for (field, value) in message.fields() {
            self.inner(value, &child(path, field.name()), depth);
        }
        if message.descriptor().full_name() == names::ANY
            && let Some(held) = self.schema.unpack(message)
        {
            self.message(&held, path, depth + 1);
        }
    }

    fn inner(&self, value: &Value, path: &str, depth: usize) {
        match value {
            Value::Message(message) => self.message(message, path, depth + 1),
            Value::List(items) => {
                let inner = items.iter().enumerate();
                inner.for_each(|(index, item)| self.inner(item, &format!("{path}[{index}]"), depth));
            }
            Value::Map(entries) => entries.iter().for_each(|(key, value)| {
                self.inner(value, &child_of_map(path, &key_text(key)), depth);
            }),
            _ => {}
        }
    }

    fn own_fields(&self, rules: &MessageRules, message: &DynamicMessage, path: &str) {
        for rule in &rules.fields {
            let here = child(path, rule.field.name());
            for broken in field::broken(rule, message) {
                let place = broken.index.map_or_else(|| here.clone(), |index| format!("{here}[{index}]"));
                self.report.wrong(&place, broken.text);
            }
        }
    }

    fn oneofs(&self, rules: &MessageRules, message: &DynamicMessage, path: &str) {
        for oneof in &rules.required_oneofs {
            let unset = oneof.fields().all(|field| !message.has_field(&field));
            let spoilt = oneof.fields().any(|field| self.report.is_spoilt(&child(path, field.name())));
            if unset && !spoilt {
                let fields: Vec<String> = oneof.fields().map(|field| format!("`{}`", field.name())).collect();
                let text = if fields.len() == 1 { "is required" } else { "is required: set one of them" };
                self.report.wrong(path, format!("{} {text}", fields.join(" or ")));
            }
        }
    }
}

/// How a key of a map field is written in a path.
pub(crate) fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::String(text) => text.clone(),
        MapKey::Bool(value) => value.to_string(),
        MapKey::I32(number) => number.to_string(),
        MapKey::I64(number) => number.to_string(),
        MapKey::U32(number) => number.to_string(),
        MapKey::U64(number) => number.to_string(),
    }
}

#[cfg(test)]
mod tests;
