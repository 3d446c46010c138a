//! A message that remembers which of its fields were read, and refuses or tells the others.
//!
//! There are two manners. Strictly, as for files written by hand, whatever is set and not read is refused by its path.
//! Leniently, as for what a control plane sends, it is told as being without effect, once for each resource.

use super::Context;
use crate::delivered::Sources;
use crate::notes::Subject;
use crate::report::Report;
use crate::rules::{key_text, nanoseconds};
use crate::schema::{Schema, names, type_in};
use crate::written::{self, Walk, child, child_of_map};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

/// One message and where it stands. Every field that is set must be read, or it is refused or told on drop.
pub(crate) struct Reader<'a> {
    context: &'a Context<'a>,
    message: DynamicMessage,
    path: String,
    read: RefCell<HashSet<u32>>,
    /// What is not read is told of this one, if there is one, and not refused. Messages inside inherit it.
    lenient: Option<Rc<Subject>>,
    /// What is not read has been told in another way.
    covered: Cell<bool>,
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
        Self { context, message, path, read: RefCell::default(), lenient: None, covered: Cell::new(false) }
    }

    /// A message inside this one.
    fn inside(&self, message: DynamicMessage, path: String) -> Reader<'a> {
        let mut inside = Reader::new(self.context, message, path);
        inside.lenient.clone_from(&self.lenient);
        inside
    }

    /// From here on what is not known is told of `subject`.
    pub(crate) fn lenient(mut self, subject: Rc<Subject>) -> Self {
        self.lenient = Some(subject);
        self
    }

    /// From here on what is not known is refused.
    pub(crate) fn strictly(mut self) -> Self {
        self.lenient = None;
        self
    }

    /// Of whom is told what is not known, in the lenient manner.
    pub(crate) fn subject(&self) -> Option<&Subject> {
        self.lenient.as_deref()
    }

    /// The same message, which from now on is only read there, in the strict manner and without the fields `dropped`.
    pub(crate) fn strict_twin(&self, dropped: &[&str]) -> Reader<'a> {
        self.covered.set(true);
        let mut message = self.message.clone();
        dropped.iter().for_each(|name| message.clear_field_by_name(name));
        let mut twin = Reader::new(self.context, message, self.path.clone());
        twin.read.clone_from(&self.read);
        twin
    }

    /// What is not read of this message has been told already.
    pub(crate) fn covered(&self) {
        self.covered.set(true);
    }

    /// Like [`Self::covered`]; always true.
    pub(crate) fn covers(&self) -> bool {
        self.covered();
        true
    }

    /// The `google.protobuf.Struct` under `key` in the map `name`.
    pub(crate) fn structure(&self, name: &str, key: &str) -> Option<DynamicMessage> {
        let value = self.value(name)?;
        let entry = value.as_map()?.get(&MapKey::String(key.to_owned()))?;
        entry.as_message().cloned()
    }

    /// The message itself.
    pub(crate) fn message(&self) -> &DynamicMessage {
        &self.message
    }

    pub(crate) fn context(&self) -> &'a Context<'a> {
        self.context
    }

    /// What may be named that stands elsewhere in the bootstrap.
    pub(crate) fn sources(&self) -> &'a Sources {
        self.context.sources
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

    /// If the field `name` is set it has no effect: it is refused with `text` for the reason, or told.
    pub(crate) fn refuse(&self, name: &str, text: &str) {
        if self.has(name) {
            self.field(name);
            self.unsupported(name, text);
        }
    }

    /// The field `name`, which counts as read, has no effect: refused with `text` for the reason, or told.
    pub(crate) fn unsupported(&self, name: &str, text: impl Into<String>) {
        match &self.lenient {
            Some(subject) => subject.ignored(&self.at(name)),
            None => self.report().unsupported(&self.at(name), text),
        }
    }

    /// The whole message has no effect: refused with `text` for the reason, or told.
    pub(crate) fn unsupported_whole(&self, text: impl Into<String>) {
        match &self.lenient {
            Some(subject) => {
                self.covered();
                subject.ignored(&self.path);
            }
            None => self.report().unsupported(&self.path, text),
        }
    }

    /// If the field `name` is set it is refused in both manners: it guards something, or without it what is read would
    /// mean something else.
    pub(crate) fn guard(&self, name: &str, text: &str) {
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

    /// Like [`Self::without_effect`] in the lenient manner only: a control plane writes them everywhere, and whoever runs
    /// the proxy misses nothing.
    pub(crate) fn harmless(&self, names: &[&str]) {
        if self.lenient.is_some() {
            self.without_effect(names);
        }
    }

    /// The message in `name` may be there as long as it says nothing.
    pub(crate) fn only_empty(&self, name: &str) {
        let Some(inner) = self.one(name) else { return };
        if inner.message.fields().next().is_some() && inner.lenient.is_some() {
            inner.unsupported_whole("");
        }
    }

    /// The wrapped boolean in `name` may say what is true anyway.
    pub(crate) fn only_bool(&self, name: &str, anyway: bool) {
        if let Some(value) = self.wrapped_bool(name)
            && value != anyway
        {
            self.unsupported(name, format!("{value} is not supported yet: remove it"));
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

    pub(crate) fn signed(&self, name: &str) -> i32 {
        self.value(name).and_then(|value| value.as_i32()).unwrap_or_default()
    }

    pub(crate) fn numbers(&self, name: &str) -> Vec<u32> {
        let value = self.value(name);
        let items = value.as_ref().and_then(Value::as_list).unwrap_or_default();
        items.iter().filter_map(Value::as_u32).collect()
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
        Some(self.inside(value.as_message()?.clone(), self.at(name)))
    }

    /// The messages in the list `name`.
    pub(crate) fn all(&self, name: &str) -> Vec<Reader<'a>> {
        let value = self.value(name);
        let items = value.as_ref().and_then(Value::as_list).unwrap_or_default();
        let messages = items.iter().filter_map(Value::as_message).enumerate();
        messages.map(|(i, item)| self.inside(item.clone(), format!("{}[{i}]", self.at(name)))).collect()
    }

    /// The name of the type that the `Any` in `name` holds, in a `TypedStruct` as well. This counts as reading it.
    pub(crate) fn type_held(&self, name: &str) -> Option<String> {
        let value = self.value(name)?;
        let any = value.as_message()?;
        let structure = typed_structure(self.context.schema, any);
        Some(structure.map_or_else(|| type_in(any), |(type_name, _)| type_name))
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
        if let Some((type_name, structure)) = typed_structure(self.context.schema, any) {
            let fields = self.inside(structure, path).respell(&type_name, "value");
            return fields.map(|fields| Held { type_name, fields });
        }
        let type_name = type_in(any);
        if let Some(message) = self.context.schema.unpack(any) {
            return Some(Held { type_name, fields: self.inside(message, path) });
        }
        let known = self.context.schema.message(&type_name).is_some();
        match &self.lenient {
            Some(subject) if !known => subject.ignored(&path),
            _ if known => self.report().wrong(&path, format!("these bytes are no {type_name}")),
            _ => self.report().wrong(&path, format!("{type_name} is not supported yet")),
        }
        None
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
            names::STRUCT => self.fields.respell(wanted, "value"),
            other => {
                let text = format!("{other} does not belong here: use {wanted}");
                self.fields.report().unsupported(self.fields.path(), text);
                None
            }
        }
    }
}

impl<'a> Reader<'a> {
    /// The message `wanted` that this `google.protobuf.Struct`, which stands at `field`, spells.
    fn respell(self, wanted: &str, field: &str) -> Option<Reader<'a>> {
        self.without_effect(&["fields"]);
        let path = self.at(field);
        let Some(descriptor) = self.context.schema.message(wanted) else {
            self.report().wrong(&path, format!("{wanted} is not supported yet"));
            return None;
        };
        let node = written::respelt(&self.message, &path, self.report());
        let walk = Walk { schema: self.context.schema, report: self.report(), carries_unknown_types: false };
        let message = walk.message(&descriptor, &node, &path)?;
        self.context.rules.check(&message, &path);
        Some(self.inside(message, path))
    }
}

/// What a `TypedStruct` in an `Any` says it is, and the `google.protobuf.Struct` that spells it.
fn typed_structure(schema: &Schema, any: &DynamicMessage) -> Option<(String, DynamicMessage)> {
    if !names::TYPED_STRUCTS.contains(&type_in(any).as_str()) {
        return None;
    }
    let held = schema.unpack(any)?;
    let structure = held.get_field_by_name("value")?.as_message()?.clone();
    Some((type_in(&held), structure))
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if self.covered.get() {
            return;
        }
        let read = self.read.borrow();
        for (field, _) in self.message.fields() {
            if !read.contains(&field.number()) {
                self.unsupported(field.name(), "not supported yet: remove it");
            }
        }
        for unknown in self.message.unknown_fields() {
            let name = format!("#{}", unknown.number());
            self.unsupported(&name, "no field of Envoy's API has this number");
        }
    }
}
