//! The bootstrap, or what was delivered, for `/config_dump`: protobuf's JSON form with secrets hidden.
//!
//! Hidden is what Envoy hides: every field whose descriptor says `udpa.annotations.sensitive`, whole, and the same
//! fields by name inside a `google.protobuf.Struct`, which has no descriptors. Of a value whose type is not known only the
//! type is shown.

use crate::dynamic;
use crate::schema::{Schema, names};
use prost::Message;
use prost_reflect::{DynamicMessage, ExtensionDescriptor, FieldDescriptor, MapKey, ReflectMessage, Value};

/// What stands in place of a secret.
const HIDDEN: &str = "[redacted]";

/// Sensitive fields, without underscores and in lower case, for messages spelt as a `google.protobuf.Struct`.
const SENSITIVE_NAMES: [&str; 11] = [
    "authpassword",
    "authusername",
    "downstreamauthpassword",
    "downstreamauthpasswords",
    "downstreamauthusername",
    "password",
    "pkcs12",
    "privatekey",
    "secret",
    "sessionticketkeys",
    "token",
];

/// `bootstrap` as indented JSON.
pub(crate) fn json(schema: &Schema, bootstrap: DynamicMessage) -> Result<String, String> {
    let value = value(schema, bootstrap)?;
    serde_json::to_string_pretty(&value).map_err(|error| format!("cannot be shown: {error}"))
}

/// `message` as JSON.
pub(crate) fn value(schema: &Schema, mut message: DynamicMessage) -> Result<serde_json::Value, String> {
    let sensitive = schema.pool().get_extension_by_name("udpa.annotations.sensitive");
    let hider = Hider { schema, sensitive: sensitive.ok_or("the schema does not say what is sensitive")? };
    hider.message(&mut message);
    Ok(dynamic::to_json(schema, &message))
}

struct Hider<'a> {
    schema: &'a Schema,
    sensitive: ExtensionDescriptor,
}

impl Hider<'_> {
    fn message(&self, message: &mut DynamicMessage) {
        match message.descriptor().full_name() {
            names::ANY => return self.any(message),
            names::STRUCT => return self.structure(message),
            _ => {}
        }
        for (field, value) in message.fields_mut() {
            if self.is_sensitive(&field) { hide(value) } else { self.value(value) }
        }
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::Message(message) => self.message(message),
            Value::List(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Map(entries) => entries.values_mut().for_each(|value| self.value(value)),
            _ => {}
        }
    }

    fn any(&self, any: &mut DynamicMessage) {
        let bytes = match self.schema.unpack(any) {
            Some(mut held) => {
                self.message(&mut held);
                held.encode_to_vec()
            }
            // Nobody knows what in it is a secret.
            None => Vec::new(),
        };
        any.set_field_by_name("value", Value::Bytes(bytes.into()));
    }

    fn structure(&self, structure: &mut DynamicMessage) {
        let Some(Value::Map(fields)) = structure.get_field_by_name_mut("fields") else { return };
        for (key, value) in fields {
            let hidden = matches!(key, MapKey::String(key) if is_sensitive_name(key));
            if hidden { hide(value) } else { self.value(value) }
        }
    }

    fn is_sensitive(&self, field: &FieldDescriptor) -> bool {
        field.options().get_extension(&self.sensitive).as_bool() == Some(true)
    }
}

fn is_sensitive_name(key: &str) -> bool {
    SENSITIVE_NAMES.contains(&key.replace('_', "").to_ascii_lowercase().as_str())
}

/// Hides every text and byte in `value`, and sets every number to nothing.
fn hide(value: &mut Value) {
    match value {
        Value::String(text) => HIDDEN.clone_into(text),
        Value::Bytes(bytes) => *bytes = HIDDEN.as_bytes().into(),
        Value::Message(message) => message.fields_mut().for_each(|(_, value)| hide(value)),
        Value::List(items) => items.iter_mut().for_each(hide),
        Value::Map(entries) => entries.values_mut().for_each(hide),
        Value::Bool(value) => *value = false,
        Value::I32(number) => *number = 0,
        Value::I64(number) => *number = 0,
        Value::U32(number) => *number = 0,
        Value::U64(number) => *number = 0,
        Value::F32(number) => *number = 0.0,
        Value::F64(number) => *number = 0.0,
        Value::EnumNumber(_) => {}
    }
}
