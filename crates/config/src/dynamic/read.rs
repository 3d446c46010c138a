//! JSON to a message, along its descriptor.

use super::{OPAQUE, Unreadable, duration, scalar};
use crate::schema::{Schema, names};
use crate::written::nearest_name;
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value};
use serde_json::{Map, Value as Json};
use std::collections::HashMap;

/// A step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a field.
    Field(String),
    /// To an element of a list.
    Index(usize),
    /// To an entry of a map.
    Key(String),
}

/// A path as people write it: `filters[0].typed_config.settings`.
pub fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Field(name) if text.is_empty() => text.push_str(name),
            Step::Field(name) => text.extend([".", name]),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
            Step::Key(key) => text.push_str(&format!("[\"{key}\"]")),
        }
    }
    text
}

/// A field that no message knows; it vanishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Where it stands.
    pub path: String,
    /// Its name as written.
    pub field: String,
    /// The full name of the message that does not know it.
    pub message: String,
    /// The field that was probably meant.
    pub nearest: Option<String>,
}

/// A message and what was odd about its JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The message.
    pub message: DynamicMessage,
    /// What vanished.
    pub unknown: Vec<Unknown>,
    /// Fields that were set to what they are when they are not set, outside of lists and maps: the message does not
    /// show any more that somebody wrote them.
    pub defaults: Vec<Vec<Step>>,
}

/// Reads messages of one schema.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// All messages that can be read.
    pub schema: &'a Schema,
    /// Whether an `Any` of an unknown type is carried along as it is, and not refused. Only [`super::to_json`] can
    /// show such a value again; no proxy can read it.
    pub carries_unknown_types: bool,
}

impl Reader<'_> {
    /// The message that `json` spells.
    ///
    /// # Errors
    /// The first thing that cannot be read, in istiod's words.
    pub fn read(&self, descriptor: &MessageDescriptor, json: &Json) -> Result<Read, Unreadable> {
        let mut walk = Walk { reader: *self, path: Vec::new(), unknown: Vec::new(), defaults: Vec::new() };
        let message = walk.message(descriptor, json)?;
        Ok(Read { message, unknown: walk.unknown, defaults: walk.defaults })
    }
}

struct Walk<'a> {
    reader: Reader<'a>,
    path: Vec<Step>,
    unknown: Vec<Unknown>,
    defaults: Vec<Vec<Step>>,
}

impl Walk<'_> {
    fn message(&mut self, descriptor: &MessageDescriptor, json: &Json) -> Result<DynamicMessage, Unreadable> {
        let mut message = DynamicMessage::new(descriptor.clone());
        match descriptor.full_name() {
            names::VALUE => self.free(&mut message, json)?,
            _ if json.is_null() => {}
            names::ANY => self.any(&mut message, scalar::object(json)?)?,
            names::DURATION => {
                let (seconds, nanos) = duration::read(scalar::text(json)?)?;
                message.set_field_by_name("seconds", Value::I64(seconds));
                message.set_field_by_name("nanos", Value::I32(nanos));
            }
            names::TIMESTAMP => return scalar::timestamp(descriptor, json),
            names::STRUCT => self.structure(&mut message, scalar::object(json)?)?,
            names::LIST_VALUE => self.free_list(&mut message, scalar::array(json)?)?,
            name if names::WRAPPERS.contains(&name) => {
                let field = descriptor.get_field_by_name("value");
                let field = field.ok_or_else(|| Unreadable(format!("{name} has no value")))?;
                message.set_field(&field, scalar::read(&field.kind(), json)?);
            }
            _ => self.fields(&mut message, scalar::object(json)?)?,
        }
        Ok(message)
    }

    fn fields(&mut self, message: &mut DynamicMessage, object: &Map<String, Json>) -> Result<(), Unreadable> {
        let descriptor = message.descriptor();
        for field in descriptor.fields() {
            let written = object.get(field.json_name()).or_else(|| object.get(field.name()));
            let Some(json) = written.filter(|json| !json.is_null() || takes_null(&field)) else { continue };
            self.path.push(Step::Field(field.name().to_owned()));
            let value = self.field(&field, json)?;
            if is_lost(&field, &value) && self.path.iter().all(|step| matches!(step, Step::Field(_))) {
                self.defaults.push(self.path.clone());
            }
            message.set_field(&field, value);
            self.path.pop();
        }
        for key in object.keys() {
            if descriptor.get_field_by_name(key).or_else(|| descriptor.get_field_by_json_name(key)).is_none() {
                self.vanishes(&descriptor, key);
            }
        }
        Ok(())
    }

    fn vanishes(&mut self, descriptor: &MessageDescriptor, key: &str) {
        let names: Vec<String> = descriptor.fields().map(|field| field.name().to_owned()).collect();
        self.path.push(Step::Field(key.to_owned()));
        self.unknown.push(Unknown {
            path: path_text(&self.path),
            field: key.to_owned(),
            message: descriptor.full_name().to_owned(),
            nearest: nearest_name(key, names.iter().map(String::as_str)).map(str::to_owned),
        });
        self.path.pop();
    }

    fn field(&mut self, field: &FieldDescriptor, json: &Json) -> Result<Value, Unreadable> {
        if field.is_map() {
            return self.map(field, scalar::object(json)?);
        }
        if !field.is_list() {
            return self.single(&field.kind(), json);
        }
        let mut values = Vec::new();
        for (index, item) in scalar::array(json)?.iter().enumerate() {
            self.path.push(Step::Index(index));
            values.push(self.single(&field.kind(), item)?);
            self.path.pop();
        }
        Ok(Value::List(values))
    }

    fn map(&mut self, field: &FieldDescriptor, object: &Map<String, Json>) -> Result<Value, Unreadable> {
        let kind = field.kind();
        let entry = kind.as_message().ok_or_else(|| Unreadable(format!("{} is no map", field.full_name())))?;
        let (key_kind, value_kind) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        let mut values = HashMap::new();
        for (key, json) in object {
            self.path.push(Step::Key(key.clone()));
            let read = scalar::read(&key_kind, &Json::String(key.clone()))?.into_map_key();
            let value = self.single(&value_kind, json)?;
            values.extend(read.map(|key| (key, value)));
            self.path.pop();
        }
        Ok(Value::Map(values))
    }

    fn single(&mut self, kind: &Kind, json: &Json) -> Result<Value, Unreadable> {
        match kind {
            Kind::Message(descriptor) => self.message(descriptor, json).map(Value::Message),
            _ => scalar::read(kind, json),
        }
    }

    fn any(&mut self, any: &mut DynamicMessage, object: &Map<String, Json>) -> Result<(), Unreadable> {
        let url = object.get("@type").ok_or_else(|| Unreadable("Any JSON doesn't have '@type'".to_owned()))?;
        let Some(url) = url.as_str() else {
            return Err(Unreadable(format!("can't unmarshal Any's '@type': {url:?}")));
        };
        any.set_field_by_name("type_url", Value::String(url.to_owned()));
        let name = url.rsplit_once('/').map_or(url, |(_, name)| name);
        let bytes = match self.reader.schema.message(name) {
            Some(held) => self.held(&held, object, url)?.encode_to_vec(),
            None if self.reader.carries_unknown_types => opaque(object),
            None => return Err(Unreadable(format!("could not resolve Any message type: {url}"))),
        };
        any.set_field_by_name("value", Value::Bytes(bytes.into()));
        Ok(())
    }

    fn held(
        &mut self,
        descriptor: &MessageDescriptor,
        object: &Map<String, Json>,
        url: &str,
    ) -> Result<DynamicMessage, Unreadable> {
        let inside = |error: Unreadable| Unreadable(format!("can't unmarshal Any nested proto {url}: {error}"));
        if !has_own_form(descriptor.full_name()) {
            let mut rest = object.clone();
            rest.remove("@type");
            let mut message = DynamicMessage::new(descriptor.clone());
            self.fields(&mut message, &rest).map_err(inside)?;
            return Ok(message);
        }
        let value = object.get("value").ok_or_else(|| Unreadable("Any JSON doesn't have 'value'".to_owned()))?;
        self.message(descriptor, value).map_err(inside)
    }

    fn structure(&mut self, message: &mut DynamicMessage, object: &Map<String, Json>) -> Result<(), Unreadable> {
        let mut fields = HashMap::new();
        for (key, json) in object {
            fields.insert(MapKey::String(key.clone()), Value::Message(self.free_message(json)?));
        }
        message.set_field_by_name("fields", Value::Map(fields));
        Ok(())
    }

    fn free_list(&mut self, message: &mut DynamicMessage, items: &[Json]) -> Result<(), Unreadable> {
        let values: Result<Vec<_>, _> = items.iter().map(|item| self.free_message(item).map(Value::Message)).collect();
        message.set_field_by_name("values", Value::List(values?));
        Ok(())
    }

    fn free_message(&mut self, json: &Json) -> Result<DynamicMessage, Unreadable> {
        let descriptor = self.known(names::VALUE)?;
        self.message(&descriptor, json)
    }

    /// A `google.protobuf.Value`.
    fn free(&mut self, message: &mut DynamicMessage, json: &Json) -> Result<(), Unreadable> {
        let (name, value) = match json {
            Json::Null => ("null_value", Value::EnumNumber(0)),
            Json::Bool(value) => ("bool_value", Value::Bool(*value)),
            Json::Number(number) => ("number_value", Value::F64(number.as_f64().unwrap_or(f64::NAN))),
            Json::String(text) => ("string_value", Value::String(text.clone())),
            Json::Array(_) => ("list_value", Value::Message(self.message(&self.known(names::LIST_VALUE)?, json)?)),
            Json::Object(_) => ("struct_value", Value::Message(self.message(&self.known(names::STRUCT)?, json)?)),
        };
        message.set_field_by_name(name, value);
        Ok(())
    }

    fn known(&self, name: &str) -> Result<MessageDescriptor, Unreadable> {
        self.reader.schema.message(name).ok_or_else(|| Unreadable(format!("{name} is missing in this program")))
    }
}

/// Whether values of the message stand under `value` inside an `Any`.
pub(super) fn has_own_form(name: &str) -> bool {
    let own =
        [names::ANY, names::STRUCT, names::LIST_VALUE, names::VALUE, names::DURATION, names::TIMESTAMP, names::EMPTY];
    own.contains(&name) || names::WRAPPERS.contains(&name)
}

fn opaque(object: &Map<String, Json>) -> Vec<u8> {
    let mut rest = object.clone();
    rest.remove("@type");
    [OPAQUE, Json::Object(rest).to_string().as_bytes()].concat()
}

/// Whether null is a value of its own and does not unset the field.
fn takes_null(field: &FieldDescriptor) -> bool {
    !field.is_list() && matches!(field.kind(), Kind::Message(message) if message.full_name() == names::VALUE)
}

/// Whether merging a message with this field changes nothing: a scalar at its default, bare or in a wrapper.
fn is_lost(field: &FieldDescriptor, value: &Value) -> bool {
    if field.is_list() || field.is_map() {
        return false;
    }
    match value {
        Value::Message(message) => {
            names::WRAPPERS.contains(&message.descriptor().full_name()) && message.fields().next().is_none()
        }
        scalar => !field.supports_presence() && scalar.is_default_for_field(field),
    }
}
