//! Scalars, and the words with which Go says that JSON is of another kind than expected.

use super::Unreadable;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, Value};
use serde_json::{Map, Value as Json};

/// A scalar of `kind`.
pub(super) fn read(kind: &Kind, json: &Json) -> Result<Value, Unreadable> {
    Ok(match kind {
        Kind::Bool => Value::Bool(json.as_bool().ok_or_else(|| other(json, "bool"))?),
        Kind::String => Value::String(text(json)?.to_owned()),
        Kind::Bytes => Value::Bytes(bytes(json)?.into()),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(whole(json, "int32")?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(whole(json, "int64")?),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(whole(json, "uint32")?),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(whole(json, "uint64")?),
        Kind::Float => Value::F32(fraction(json, "float32")? as f32),
        Kind::Double => Value::F64(fraction(json, "float64")?),
        Kind::Enum(descriptor) => match json {
            Json::String(name) => {
                let unknown =
                    || Unreadable(format!("unknown value \"\\\"{name}\\\"\" for enum {}", descriptor.full_name()));
                Value::EnumNumber(descriptor.get_value_by_name(name).ok_or_else(unknown)?.number())
            }
            number => Value::EnumNumber(whole(number, "protoreflect.EnumNumber")?),
        },
        Kind::Message(descriptor) => return Err(Unreadable(format!("{} is no scalar", descriptor.full_name()))),
    })
}

/// Text.
pub(super) fn text(json: &Json) -> Result<&str, Unreadable> {
    json.as_str().ok_or_else(|| other(json, "string"))
}

/// A mapping.
pub(super) fn object(json: &Json) -> Result<&Map<String, Json>, Unreadable> {
    json.as_object().ok_or_else(|| other(json, "map[string]json.RawMessage"))
}

/// A list.
pub(super) fn array(json: &Json) -> Result<&[Json], Unreadable> {
    json.as_array().map(Vec::as_slice).ok_or_else(|| other(json, "[]json.RawMessage"))
}

/// A `google.protobuf.Timestamp`.
pub(super) fn timestamp(descriptor: &MessageDescriptor, json: &Json) -> Result<DynamicMessage, Unreadable> {
    let written = text(json)?;
    DynamicMessage::deserialize(descriptor.clone(), json).map_err(|_| {
        Unreadable(format!("bad Timestamp: parsing time {written:?} as \"2006-01-02T15:04:05.999999999Z07:00\": cannot parse {written:?} as \"2006\""))
    })
}

fn other(json: &Json, expected: &str) -> Unreadable {
    let found = match json {
        Json::Null => "null".to_owned(),
        Json::Bool(_) => "bool".to_owned(),
        Json::Number(number) if expected.contains("int") || expected.contains("Number") => {
            format!("number {}", go(number))
        }
        Json::Number(_) => "number".to_owned(),
        Json::String(_) => "string".to_owned(),
        Json::Array(_) => "array".to_owned(),
        Json::Object(_) => "object".to_owned(),
    };
    Unreadable(format!("json: cannot unmarshal {found} into Go value of type {expected}"))
}

/// A number as Go writes it: without a fraction if it has none.
fn go(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(value) if value.fract() == 0.0 && value.abs() < 1e21 => format!("{value:.0}"),
        _ => number.to_string(),
    }
}

/// A whole number, bare or in quotes.
fn whole<N: TryFrom<i128>>(json: &Json, name: &str) -> Result<N, Unreadable> {
    let number = match json {
        Json::Number(number) => exact(number),
        Json::String(text) => Some(text.parse::<i128>().map_err(|_| unquoted(text))?),
        _ => None,
    };
    number.and_then(|number| N::try_from(number).ok()).ok_or_else(|| other(json, name))
}

fn exact(number: &serde_json::Number) -> Option<i128> {
    if let Some(number) = number.as_i64() {
        return Some(i128::from(number));
    }
    if let Some(number) = number.as_u64() {
        return Some(i128::from(number));
    }
    number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 1e30).map(|value| value as i128)
}

fn fraction(json: &Json, name: &str) -> Result<f64, Unreadable> {
    match json {
        Json::Number(number) => number.as_f64().ok_or_else(|| other(json, name)),
        Json::String(text) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            text => text.parse().map_err(|_| unquoted(text)),
        },
        _ => Err(other(json, name)),
    }
}

/// Text in quotes where a number is expected.
fn unquoted(text: &str) -> Unreadable {
    match text.chars().next() {
        Some(first) => Unreadable(format!("invalid character '{first}' looking for beginning of value")),
        None => Unreadable("unexpected end of JSON input".to_owned()),
    }
}

fn bytes(json: &Json) -> Result<Vec<u8>, Unreadable> {
    let Json::String(written) = json else { return Err(other(json, "[]uint8")) };
    let at = |error| match error {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
        _ => written.len(),
    };
    STANDARD.decode(written).map_err(|error| Unreadable(format!("illegal base64 data at input byte {}", at(error))))
}
