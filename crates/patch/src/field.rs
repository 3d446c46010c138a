//! Fields of messages by their names; what is not set, or is of another kind, is simply not there.

use config::Schema;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};
use std::borrow::Cow;

/// The text of a field, empty if it is not set.
pub(crate) fn text(message: &DynamicMessage, name: &str) -> String {
    message.get_field_by_name(name).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The name of the message, which every resource and filter has.
pub(crate) fn name(message: &DynamicMessage) -> String {
    text(message, "name")
}

/// A whole number that is no wrapper, 0 if it is not set.
pub(crate) fn number(message: &DynamicMessage, name: &str) -> u32 {
    message.get_field_by_name(name).and_then(|value| value.as_u32()).unwrap_or(0)
}

/// The name of a value of an enum.
pub(crate) fn choice(message: &DynamicMessage, name: &str) -> String {
    let Some(field) = message.descriptor().get_field_by_name(name) else { return String::new() };
    let number = message.get_field(&field).as_enum_number().unwrap_or(0);
    let kind = field.kind();
    let named = kind.as_enum().and_then(|values| values.get_value(number));
    named.map_or_else(|| number.to_string(), |value| value.name().to_owned())
}

/// The message in a field, if it is set.
pub(crate) fn peek<'m>(message: &'m DynamicMessage, name: &str) -> Option<&'m DynamicMessage> {
    match message.get_field_by_name(name)? {
        Cow::Borrowed(Value::Message(inner)) => Some(inner),
        _ => None,
    }
}

/// A copy of the message in a field, if it is set.
pub(crate) fn inner(message: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    peek(message, name).cloned()
}

/// The message in a field, to be changed, if it is set.
pub(crate) fn inner_mut<'m>(message: &'m mut DynamicMessage, name: &str) -> Option<&'m mut DynamicMessage> {
    if !message.has_field_by_name(name) {
        return None;
    }
    message.get_field_by_name_mut(name)?.as_message_mut()
}

/// The messages of a list.
pub(crate) fn messages(message: &DynamicMessage, name: &str) -> Vec<DynamicMessage> {
    let Some(value) = message.get_field_by_name(name) else { return Vec::new() };
    value.as_list().unwrap_or_default().iter().filter_map(|item| item.as_message().cloned()).collect()
}

/// How many elements a list has.
pub(crate) fn len(message: &DynamicMessage, name: &str) -> usize {
    message.get_field_by_name(name).and_then(|value| value.as_list().map(<[Value]>::len)).unwrap_or(0)
}

/// A list, to be changed.
pub(crate) fn list_mut<'m>(message: &'m mut DynamicMessage, name: &str) -> Option<&'m mut Vec<Value>> {
    message.get_field_by_name_mut(name)?.as_list_mut()
}

/// The texts of a list.
pub(crate) fn texts(message: &DynamicMessage, name: &str) -> Vec<String> {
    let Some(value) = message.get_field_by_name(name) else { return Vec::new() };
    value.as_list().unwrap_or_default().iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// Where a listener listens: address and port, if it has a socket address.
pub(crate) fn socket(listener: &DynamicMessage) -> Option<(String, u32)> {
    let socket = peek(peek(listener, "address")?, "socket_address")?;
    Some((text(socket, "address"), number(socket, "port_value")))
}

/// The destination port that a filter chain asks for, 0 for any.
pub(crate) fn destination_port(chain: &DynamicMessage) -> u32 {
    let port = peek(chain, "filter_chain_match").and_then(|matching| peek(matching, "destination_port"));
    port.map_or(0, |port| number(port, "value"))
}

/// What `typed_config` holds, if it is set and can be read.
pub(crate) fn config(schema: &Schema, filter: &DynamicMessage) -> Option<DynamicMessage> {
    schema.unpack(peek(filter, "typed_config")?)
}
