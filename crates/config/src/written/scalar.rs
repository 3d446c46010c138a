//! Numbers, booleans, text, bytes and enum values, as protobuf's JSON form and Envoy's YAML allow them.

use super::nearest;
use super::tree::{Node, Plain, Shape};
use super::walk::{Walk, found};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use prost_reflect::{EnumDescriptor, Kind, Value};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

impl Walk<'_> {
    /// The value of a field that holds no message.
    pub(super) fn scalar(&self, kind: &Kind, node: &Node, path: &str) -> Option<Value> {
        let read = match kind {
            Kind::Enum(descriptor) => enumerated(descriptor, node),
            Kind::String => text(node),
            Kind::Bytes => bytes(node),
            Kind::Bool => boolean(node),
            Kind::Double | Kind::Float => fraction(kind, node),
            _ => whole(kind, node),
        };
        read.map_err(|problem| self.report.unreadable(path, problem)).ok()
    }
}

fn text(node: &Node) -> Result<Value, String> {
    match (node.plain(), &node.shape) {
        (Some(Plain::Text(text)), _) => Ok(Value::String(text.to_owned())),
        (Some(Plain::Bool(value)), Shape::Scalar { text, .. }) => {
            Err(format!("expected text, but an unquoted `{text}` is the boolean {value}: write \"{text}\""))
        }
        // Envoy keeps whole numbers of more than 32 bits as text.
        (Some(Plain::Int(number)), _) if i32::try_from(number).is_err() => Ok(Value::String(number.to_string())),
        (Some(Plain::Int(_)), Shape::Scalar { text, .. }) => {
            Err(format!("expected text, but an unquoted `{text}` is a number: write \"{text}\""))
        }
        _ => Err(format!("expected text, found {}", found(node))),
    }
}

fn bytes(node: &Node) -> Result<Value, String> {
    let wrong = || format!("expected bytes in base64, found {}", found(node));
    let Some(Plain::Text(text)) = node.plain() else { return Err(wrong()) };
    let decoded = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).map_err(|_| wrong())?;
    Ok(Value::Bytes(decoded.into()))
}

fn boolean(node: &Node) -> Result<Value, String> {
    match node.plain() {
        Some(Plain::Bool(value)) => Ok(Value::Bool(value)),
        Some(Plain::Text("true")) => Ok(Value::Bool(true)),
        Some(Plain::Text("false")) => Ok(Value::Bool(false)),
        _ => Err(format!("expected true or false, found {}", found(node))),
    }
}

fn fraction(kind: &Kind, node: &Node) -> Result<Value, String> {
    let number = match node.plain() {
        Some(Plain::Int(number)) => Some(number as f64),
        Some(Plain::Text(text)) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    };
    let number = number.ok_or_else(|| format!("expected a number, found {}", found(node)))?;
    Ok(if matches!(kind, Kind::Float) { Value::F32(number as f32) } else { Value::F64(number) })
}

fn whole(kind: &Kind, node: &Node) -> Result<Value, String> {
    let number = match node.plain() {
        Some(Plain::Int(number)) => Some(number),
        Some(Plain::Text(text)) => whole_in(text),
        _ => None,
    };
    let number = number.ok_or_else(|| format!("expected a whole number, found {}", found(node)))?;
    let fits = match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => number.try_into().ok().map(Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => number.try_into().ok().map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => number.try_into().ok().map(Value::U32),
        _ => number.try_into().ok().map(Value::U64),
    };
    fits.ok_or_else(|| format!("{number} is out of range for {kind:?}").to_lowercase())
}

/// Protobuf's JSON form takes `"6379"`, `6379.0` and `1e3` for whole numbers as well.
fn whole_in(text: &str) -> Option<i128> {
    if let Ok(number) = text.parse::<i128>() {
        return Some(number);
    }
    // Above 2^53 a fraction's digits no longer tell whole numbers apart.
    let number: f64 = text.parse().ok()?;
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i128)
}

/// Envoy takes the names of enum values in any case, and their numbers.
fn enumerated(descriptor: &EnumDescriptor, node: &Node) -> Result<Value, String> {
    let name = match node.plain() {
        Some(Plain::Int(number)) => return number_of(descriptor, number),
        Some(Plain::Text(text)) => text,
        // `NO`, `ON` and the like may be names of values.
        Some(Plain::Bool(_)) => match &node.shape {
            Shape::Scalar { text, .. } => text,
            _ => "",
        },
        _ => return Err(format!("expected one of {}, found {}", names(descriptor), found(node))),
    };
    if let Some(value) = descriptor.values().find(|value| value.name().eq_ignore_ascii_case(name)) {
        return Ok(Value::EnumNumber(value.number()));
    }
    if let Ok(number) = name.parse() {
        return number_of(descriptor, number);
    }
    let known: Vec<String> = descriptor.values().map(|value| value.name().to_owned()).collect();
    let advice = nearest::name(name, known.iter().map(String::as_str));
    let advice = advice.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
    Err(format!("expected one of {}, found `{name}`{advice}", names(descriptor)))
}

fn number_of(descriptor: &EnumDescriptor, number: i128) -> Result<Value, String> {
    let small = i32::try_from(number).map_err(|_| format!("expected one of {}, found {number}", names(descriptor)))?;
    Ok(Value::EnumNumber(small))
}

/// Every value of an enum, for a message.
pub(crate) fn names(descriptor: &EnumDescriptor) -> String {
    let names: Vec<String> = descriptor.values().map(|value| value.name().to_owned()).collect();
    names.join(", ")
}
