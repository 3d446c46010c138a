//! `google.protobuf.Any`: a value that names its own type in `@type`.

use super::known::is_well_known;
use super::nearest;
use super::tree::{Entry, Node, Plain, Shape};
use super::walk::{Walk, child, found};
use crate::schema::names;
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor, Value};

impl Walk<'_> {
    pub(super) fn any(&self, descriptor: &MessageDescriptor, node: &Node, path: &str) -> Option<DynamicMessage> {
        let Shape::Map(entries) = &node.shape else {
            self.report.unreadable(path, format!("expected a mapping with `@type`, found {}", found(node)));
            return None;
        };
        let url = self.type_url(entries, path)?;
        if self.carries(url) {
            let mut any = DynamicMessage::new(descriptor.clone());
            any.set_field_by_name("type_url", Value::String(url.to_owned()));
            return Some(any);
        }
        let inner = self.type_of(url, path)?;
        let content = if is_well_known(inner.full_name()) {
            self.under_value(&inner, entries, path)?
        } else {
            let rest = entries.iter().filter(|entry| entry.key != "@type").cloned().collect();
            self.fields(&inner, &Node { line: node.line, shape: Shape::Map(rest) }, path)?
        };
        let mut any = DynamicMessage::new(descriptor.clone());
        any.set_field_by_name("type_url", Value::String(url.to_owned()));
        any.set_field_by_name("value", Value::Bytes(content.encode_to_vec().into()));
        Some(any)
    }

    /// Whether of a value of this type only the type is kept: nobody here knows it, and it is none of ours misspelt.
    fn carries(&self, url: &str) -> bool {
        let Some((_, name)) = url.rsplit_once('/').filter(|_| self.carries_unknown_types) else { return false };
        let ours = [names::REDIS_PROXY, names::REDIS_PROTOCOL_OPTIONS, names::REDIS_CLUSTER, names::TCP_PROXY];
        self.schema.message(name).is_none() && nearest::type_name(name, ours.into_iter()).is_none()
    }

    fn type_url<'n>(&self, entries: &'n [Entry], path: &str) -> Option<&'n str> {
        let named = entries.iter().find(|entry| entry.key == "@type").map(|entry| entry.value.plain());
        if let Some(Some(Plain::Text(url))) = named {
            return Some(url);
        }
        self.report.unreadable(path, "needs an \"@type\", as in \"@type\": type.googleapis.com/envoy....v3.RedisProxy");
        None
    }

    fn type_of(&self, url: &str, path: &str) -> Option<MessageDescriptor> {
        let Some((_, name)) = url.rsplit_once('/') else {
            self.report.unreadable(path, format!("\"@type\" must begin with type.googleapis.com/, found `{url}`"));
            return None;
        };
        let found = self.schema.message(name);
        if found.is_none() {
            self.report.unreadable(path, self.unknown_type(name));
        }
        found
    }

    fn unknown_type(&self, name: &str) -> String {
        if let Some(newer) = self.successor(name) {
            return format!("Envoy's v2 API is gone: write {newer} instead of {name}");
        }
        let known: Vec<String> =
            self.schema.pool().all_messages().map(|message| message.full_name().to_owned()).collect();
        match nearest::type_name(name, known.iter().map(String::as_str)) {
            Some(nearest) => format!("unknown type {name}: did you mean {nearest}?"),
            None => format!("{name} is not supported yet"),
        }
    }

    /// The v3 name of a message of Envoy's v2 API.
    fn successor(&self, name: &str) -> Option<String> {
        let versioning = self.schema.pool().get_extension_by_name("udpa.annotations.versioning")?;
        let succeeds = |message: &MessageDescriptor| {
            let options = message.options();
            let annotation = options.get_extension(&versioning);
            let previous = annotation.as_message().and_then(|note| note.get_field_by_name("previous_message_type"));
            previous.is_some_and(|previous| previous.as_str() == Some(name))
        };
        self.schema.pool().all_messages().find(succeeds).map(|message| message.full_name().to_owned())
    }

    /// A message with a form of its own stands under `value`.
    fn under_value(&self, inner: &MessageDescriptor, entries: &[Entry], path: &str) -> Option<DynamicMessage> {
        for entry in entries.iter().filter(|entry| !matches!(entry.key.as_str(), "@type" | "value")) {
            let here = child(path, &entry.key);
            self.report.place(&here, entry.line);
            self.report.unreadable(&here, format!("a {} stands whole under `value`", inner.full_name()));
        }
        let Some(value) = entries.iter().find(|entry| entry.key == "value") else {
            return Some(DynamicMessage::new(inner.clone()));
        };
        let here = child(path, "value");
        self.report.place(&here, value.line);
        self.message(inner, &value.value, &here)
    }
}
