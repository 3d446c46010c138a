//! A message that remembers which of its fields were read, and refuses the others.

use super::Context;
use crate::report::Report;
use crate::rules::{key_text, nanoseconds};
use crate::schema::{names, type_in};
use crate::written::{self, Walk, child, child_of_map};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};
use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;

/// One message and where it stands. Every field that is set must be read, or it is refused on drop.
pub(crate) struct Reader<'a> {
    context: &'a Context<'a>,
    message: DynamicMessage,
    path: String,
    read: RefCell<HashSet<u32>>,
}

/// What an `Any` holds.
pub(crate) struct Held<'a> {
    /// The type's name, without the part before the slash.
    pub(crate) type_name: String,
    /// Its fields.
    pub(crate) fields: Reader<'a>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(context: &'a Context<'a>, message: DynamicMessage, path: String) -> Self {
        Self { context, message, path, read: RefCell::default() }
    }

    pub(crate) fn report(&self) -> &'a Report {
        self.context.report
    }

    /// Where the message stands.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Where the field `name` stands.
    pub(crate) fn at(&self, name: &str) -> String {
        child(&self.path, name)
    }

    /// The field `name` is wrong.
    pub(crate) fn wrong(&self, name: &str, text: impl Into<String>) {
        self.report().wrong(&self.at(name), text);
    }

    /// If the field `name` is set it is refused, with `text` for the reason.
    pub(crate) fn refuse(&self, name: &str, text: &str) {
        if self.has(name) {
            self.field(name);
            self.report().unsupported(&self.at(name), text);
        }
    }

    /// The fields `names` may have any value: it changes nothing here.
    pub(crate) fn without_effect(&self, names: &[&str]) {
        for name in names {
            self.field(name);
        }
    }

    /// The message in `name` may be there as long as it says nothing.
    pub(crate) fn only_empty(&self, name: &str) {
        drop(self.one(name));
    }

    /// The wrapped boolean in `name` may say what is true anyway.
    pub(crate) fn only_bool(&self, name: &str, anyway: bool) {
        if let Some(value) = self.wrapped_bool(name)
            && value != anyway
        {
            self.report().unsupported(&self.at(name), format!("{value} is not supported yet: remove it"));
        }
    }

    /// Whether `name` is set. This does not count as reading it.
    pub(crate) fn has(&self, name: &str) -> bool {
        debug_assert!(self.message.descriptor().get_field_by_name(name).is_some(), "no field {name}");
        self.message.has_field_by_name(name)
    }

    /// Whether an earlier problem explains that `name` is missing.
    pub(crate) fn is_spoilt(&self, name: &str) -> bool {
        self.report().is_spoilt(&self.at(name))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.value(name).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let value = self.value(name);
        let items = value.as_ref().and_then(Value::as_list).unwrap_or_default();
        items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        self.value(name).and_then(|value| value.as_bytes().map(|bytes| bytes.to_vec())).unwrap_or_default()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.value(name).and_then(|value| value.as_bool()).unwrap_or_default()
    }

    pub(crate) fn number(&self, name: &str) -> u32 {
        self.value(name).and_then(|value| value.as_u32()).unwrap_or_default()
    }

    /// The name of an enum's value; a number that has no name is wrong.
    pub(crate) fn choice(&self, name: &str) -> String {
        let number = self.value(name).and_then(|value| value.as_enum_number()).unwrap_or_default();
        let Some(Kind::Enum(kind)) = self.field(name).map(|field| field.kind()) else { return String::new() };
        if let Some(value) = kind.get_value(number) {
            return value.name().to_owned();
        }
        // Mostly a rule has said the same already; the same words are told once.
        self.wrong(name, format!("must be one of {}, is {number}", written::enum_names(&kind)));
        kind.default_value().name().to_owned()
    }

    pub(crate) fn wrapped_u32(&self, name: &str) -> Option<u32> {
        self.wrapped(name)?.as_u32()
    }

    pub(crate) fn wrapped_u64(&self, name: &str) -> Option<u64> {
        self.wrapped(name)?.as_u64()
    }

    pub(crate) fn wrapped_bool(&self, name: &str) -> Option<bool> {
        self.wrapped(name)?.as_bool()
    }

    /// A duration that is not negative; as in Envoy, no setting takes a negative one.
    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        let nanos = nanoseconds(self.value(name)?.as_message()?)?;
        if nanos < 0 {
            self.wrong(name, "must not be negative");
            return None;
        }
        // Envoy refuses what does not fit 64 bits of nanoseconds; nor could anybody wait for it.
        let Ok(nanos) = i64::try_from(nanos) else {
            self.wrong(name, "must be at most 9223372036s");
            return None;
        };
        Some(Duration::from_nanos(nanos.unsigned_abs()))
    }

    /// The message in `name`, if it is set.
    pub(crate) fn one(&self, name: &str) -> Option<Reader<'a>> {
        let value = self.value(name)?;
        Some(Reader::new(self.context, value.as_message()?.clone(), self.at(name)))
    }

    /// The messages in the list `name`.
    pub(crate) fn all(&self, name: &str) -> Vec<Reader<'a>> {
        let value = self.value(name);
        let items = value.as_ref().and_then(Value::as_list).unwrap_or_default();
        let messages = items.iter().filter_map(Value::as_message).enumerate();
        messages.map(|(i, item)| Reader::new(self.context, item.clone(), format!("{}[{i}]", self.at(name)))).collect()
    }

    /// What the `Any` in `name` holds. `None` without a problem only if it is not set.
    pub(crate) fn held(&self, name: &str) -> Option<Held<'a>> {
        let value = self.value(name)?;
        self.open(value.as_message()?, self.at(name))
    }

    /// The entries of a map of `Any`s, sorted by key.
    pub(crate) fn held_by_key(&self, name: &str) -> Vec<(String, Held<'a>)> {
        let value = self.value(name);
        let mut held = Vec::new();
        for (key, any) in value.as_ref().and_then(Value::as_map).into_iter().flatten() {
            let key = key_text(key);
            let path = child_of_map(&self.at(name), &key);
            held.extend(any.as_message().and_then(|any| self.open(any, path)).map(|held| (key, held)));
        }
        held.sort_by(|one, other| one.0.cmp(&other.0));
        held
    }

    fn open(&self, any: &DynamicMessage, path: String) -> Option<Held<'a>> {
        let type_name = type_in(any);
        let Some(message) = self.context.schema.unpack(any) else {
            self.report().wrong(&path, format!("{type_name} is not supported yet"));
            return None;
        };
        Some(Held { type_name, fields: Reader::new(self.context, message, path) })
    }

    fn wrapped(&self, name: &str) -> Option<Value> {
        let value = self.value(name)?;
        Some(value.as_message()?.get_field_by_name("value")?.into_owned())
    }

    /// The value of `name` if it is set; it counts as read.
    fn value(&self, name: &str) -> Option<Value> {
        let field = self.field(name)?;
        self.message.has_field(&field).then(|| self.message.get_field(&field).into_owned())
    }

    fn field(&self, name: &str) -> Option<FieldDescriptor> {
        let field = self.message.descriptor().get_field_by_name(name);
        debug_assert!(field.is_some(), "{} has no field {name}", self.message.descriptor().full_name());
        self.read.borrow_mut().extend(field.as_ref().map(FieldDescriptor::number));
        field
    }
}

impl<'a> Held<'a> {
    /// Its fields as a message of type `wanted`: it may be of that type, or a `google.protobuf.Struct` that spells it.
    /// Anything else is refused.
    pub(crate) fn of_type(self, wanted: &str) -> Option<Reader<'a>> {
        match self.type_name.as_str() {
            name if name == wanted => Some(self.fields),
            names::STRUCT => self.fields.respell(wanted),
            other => {
                let text = format!("{other} does not belong here: use {wanted}");
                self.fields.report().unsupported(self.fields.path(), text);
                None
            }
        }
    }
}

impl<'a> Reader<'a> {
    /// The message `wanted` that this `google.protobuf.Struct` spells.
    fn respell(self, wanted: &str) -> Option<Reader<'a>> {
        self.without_effect(&["fields"]);
        let descriptor = self.context.schema.message(wanted)?;
        let path = self.at("value");
        let node = written::respelt(&self.message, &path, self.report());
        let walk = Walk { schema: self.context.schema, report: self.report() };
        let message = walk.message(&descriptor, &node, &path)?;
        self.context.rules.check(&message, &path);
        Some(Reader::new(self.context, message, path))
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let read = self.read.borrow();
        for (field, _) in self.message.fields() {
            if !read.contains(&field.number()) {
                self.report().unsupported(&self.at(field.name()), "not supported yet: remove it");
            }
        }
    }
}
