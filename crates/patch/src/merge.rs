//! One message into another, as istiod's merge does.
//!
//! What is set in the patch overwrites, and a scalar at its default is not set: `false`, `0`, `""` and the first value
//! of an enum cannot be merged, not even inside a wrapper, unless the target has no wrapper there. Messages go into
//! messages, lists behind lists, entries of a map in place of those with the same key. A duration is replaced whole. Of
//! a oneof the patch's member wins. An `Any` is opaque, except where the engine opens it ([`any_into`]).

use config::Schema;
use config::schema::type_in;
use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage, Value};

/// What a list of the patch does to a list of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lists {
    /// Goes behind it.
    Append,
    /// Takes its place.
    Replace,
}

/// `patch` into `target`; both are of the same type.
pub(crate) fn into(target: &mut DynamicMessage, patch: &DynamicMessage, lists: Lists) {
    for (field, value) in patch.fields() {
        match value {
            Value::Message(inner) if is_merged(target, &field, inner) => {
                if let Some(target) = target.get_field_mut(&field).as_message_mut() {
                    into(target, inner, lists);
                }
            }
            Value::List(items) if lists == Lists::Append => {
                if let Some(target) = target.get_field_mut(&field).as_list_mut() {
                    target.extend(items.iter().cloned());
                }
            }
            Value::Map(entries) => {
                if let Some(target) = target.get_field_mut(&field).as_map_mut() {
                    target.extend(entries.iter().map(|(key, value)| (key.clone(), value.clone())));
                }
            }
            value => target.set_field(&field, value.clone()),
        }
    }
}

/// Whether a message goes into the one that is there, rather than in its place.
fn is_merged(target: &DynamicMessage, field: &FieldDescriptor, patch: &DynamicMessage) -> bool {
    if !target.has_field(field) {
        return false;
    }
    match patch.descriptor().full_name() {
        "google.protobuf.Duration" => false,
        // istiod would put the type of the one on the bytes of the other when the patch's are empty.
        "google.protobuf.Any" => {
            target.get_field(field).as_message().is_some_and(|held| type_in(held) == type_in(patch))
        }
        _ => true,
    }
}

/// Why an `Any` could not be opened and merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unmerged {
    /// The two are of different types: (there, in the patch).
    OtherType(String, String),
    /// Nothing is known of the type.
    UnknownType(String),
}

/// The `Any` that holds `there` with `patch` merged into it.
pub(crate) fn any_into(
    schema: &Schema,
    there: &DynamicMessage,
    patch: &DynamicMessage,
) -> Result<DynamicMessage, Unmerged> {
    let (of_target, of_patch) = (type_in(there), type_in(patch));
    if of_target != of_patch {
        return Err(Unmerged::OtherType(of_target, of_patch));
    }
    let (Some(mut held), Some(inner)) = (schema.unpack(there), schema.unpack(patch)) else {
        return Err(Unmerged::UnknownType(of_target));
    };
    into(&mut held, &inner, Lists::Append);
    schema.pack(&held).ok_or(Unmerged::UnknownType(of_target))
}
