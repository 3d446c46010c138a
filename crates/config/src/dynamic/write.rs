//! A message to JSON: protobuf's own form with the names of the `.proto` files, as Envoy's `/config_dump` has it.

use super::{OPAQUE, duration, read};
use crate::rules::key_text;
use crate::schema::{Schema, names, type_in};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};
use serde_json::{Map, Value as Json};

/// `message` as JSON; an `Any` whose type is unknown or whose bytes are damaged shows its bytes under `value`.
pub fn to_json(schema: &Schema, message: &DynamicMessage) -> Json {
    let descriptor = message.descriptor();
    match descriptor.full_name() {
        names::ANY => any(schema, message),
        names::DURATION => {
            let part = |name: &str| message.get_field_by_name(name);
            let seconds = part("seconds").and_then(|seconds| seconds.as_i64()).unwrap_or(0);
            Json::String(duration::write(seconds, part("nanos").and_then(|nanos| nanos.as_i32()).unwrap_or(0)))
        }
        names::TIMESTAMP => serde_json::to_value(message).unwrap_or(Json::Null),
        names::STRUCT => inner(schema, message, "fields").unwrap_or_else(|| Json::Object(Map::new())),
        names::LIST_VALUE => inner(schema, message, "values").unwrap_or_else(|| Json::Array(Vec::new())),
        names::VALUE => match message.fields().next() {
            Some((field, _)) if field.name() == "null_value" => Json::Null,
            Some((field, value)) => free(schema, &field, value),
            None => Json::Null,
        },
        name if names::WRAPPERS.contains(&name) => {
            let field = descriptor.get_field_by_name("value");
            field.map_or(Json::Null, |field| single(schema, &field.kind(), &message.get_field(&field)))
        }
        _ => Json::Object(fields(schema, message)),
    }
}

fn fields(schema: &Schema, message: &DynamicMessage) -> Map<String, Json> {
    message.fields().map(|(field, value)| (field.name().to_owned(), of_field(schema, &field, value))).collect()
}

fn inner(schema: &Schema, message: &DynamicMessage, name: &str) -> Option<Json> {
    let field = message.descriptor().get_field_by_name(name)?;
    Some(of_field(schema, &field, &message.get_field(&field)))
}

/// What a `google.protobuf.Value` holds; a whole number without a fraction.
fn free(schema: &Schema, field: &FieldDescriptor, value: &Value) -> Json {
    match value {
        Value::F64(number) if number.fract() == 0.0 && number.abs() < 9e15 => Json::from(*number as i64),
        value => of_field(schema, field, value),
    }
}

fn of_field(schema: &Schema, field: &FieldDescriptor, value: &Value) -> Json {
    match (value, field.kind()) {
        (Value::List(items), kind) => items.iter().map(|item| single(schema, &kind, item)).collect(),
        (Value::Map(entries), Kind::Message(entry)) => {
            let kind = entry.map_entry_value_field().kind();
            let written = entries.iter().map(|(key, value)| (key_text(key), single(schema, &kind, value)));
            Json::Object(written.collect())
        }
        (value, kind) => single(schema, &kind, value),
    }
}

fn single(schema: &Schema, kind: &Kind, value: &Value) -> Json {
    match value {
        Value::Message(message) => to_json(schema, message),
        Value::Bool(value) => Json::Bool(*value),
        Value::String(text) => Json::String(text.clone()),
        Value::Bytes(bytes) => Json::String(STANDARD.encode(bytes)),
        Value::I32(number) => Json::from(*number),
        Value::U32(number) => Json::from(*number),
        // Beyond what a double holds exactly: protobuf writes them as text.
        Value::I64(number) => Json::String(number.to_string()),
        Value::U64(number) => Json::String(number.to_string()),
        Value::F32(number) => fraction(f64::from(*number), number.to_string()),
        Value::F64(number) => fraction(*number, number.to_string()),
        Value::EnumNumber(number) => {
            let named = kind.as_enum().and_then(|descriptor| descriptor.get_value(*number));
            named.map_or_else(|| Json::from(*number), |named| Json::String(named.name().to_owned()))
        }
        Value::List(_) | Value::Map(_) => Json::Null,
    }
}

/// `shown` is the shortest text that is read back as the same number.
fn fraction(number: f64, shown: String) -> Json {
    let text = match number {
        number if number.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        number if number.fract() == 0.0 && number.abs() < 9e15 => return Json::from(number as i64),
        _ => return serde_json::from_str(&shown).unwrap_or(Json::String(shown)),
    };
    Json::String(text)
}

fn any(schema: &Schema, any: &DynamicMessage) -> Json {
    let url = any.get_field_by_name("type_url").and_then(|url| url.as_str().map(str::to_owned)).unwrap_or_default();
    let mut object = match schema.unpack(any) {
        Some(held) if read::has_own_form(&type_in(any)) => {
            Map::from_iter([("value".to_owned(), to_json(schema, &held))])
        }
        Some(held) => fields(schema, &held),
        None => carried(any),
    };
    object.insert("@type".to_owned(), Json::String(url));
    Json::Object(object)
}

fn carried(any: &DynamicMessage) -> Map<String, Json> {
    let bytes = any.get_field_by_name("value").and_then(|value| value.as_bytes().cloned()).unwrap_or_default();
    let written = bytes.strip_prefix(OPAQUE).and_then(|json| serde_json::from_slice(json).ok());
    written.unwrap_or_else(|| match bytes.is_empty() {
        true => Map::new(),
        false => Map::from_iter([("value".to_owned(), Json::String(STANDARD.encode(&bytes)))]),
    })
}
