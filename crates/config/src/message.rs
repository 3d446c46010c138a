//! Messages of Envoy's API from JSON and to JSON, in protobuf's own mapping with Envoy's field names.

use crate::schema::Schema;
use prost_reflect::{DeserializeOptions, DynamicMessage, SerializeOptions};
use serde_json::Value;

/// A value that is not of the message that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {text}")]
pub struct Mismatch {
    /// The full name of the message.
    pub message: String,
    /// What does not fit.
    pub text: String,
}

impl Schema {
    /// The message `name` (in full, with its package) that `json` spells. An `Any` names its type in `@type`.
    ///
    /// # Errors
    /// An unknown message, an unknown field, a value of another type.
    pub fn message_from_json(&self, name: &str, json: &Value) -> Result<DynamicMessage, Mismatch> {
        let mismatch = |text: String| Mismatch { message: name.to_owned(), text };
        let descriptor = self.message(name).ok_or_else(|| mismatch("no such message in Envoy's API".to_owned()))?;
        let options = DeserializeOptions::new().deny_unknown_fields(true);
        DynamicMessage::deserialize_with_options(descriptor, json, &options)
            .map_err(|error| mismatch(error.to_string()))
    }

    /// `message` as JSON with Envoy's field names; fields at their default are left out.
    ///
    /// # Errors
    /// An `Any` of a type that Envoy's API does not know, or that does not hold what it says.
    pub fn message_to_json(&self, message: &DynamicMessage) -> Result<Value, Mismatch> {
        use prost_reflect::ReflectMessage as _;
        let options = SerializeOptions::new().use_proto_field_name(true);
        message
            .serialize_with_options(serde_json::value::Serializer, &options)
            .map_err(|error| Mismatch { message: message.descriptor().full_name().to_owned(), text: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::Schema;
    use serde_json::json;

    #[test]
    fn what_is_read_is_written_again() {
        let schema = Schema::load().unwrap();
        let name = "envoy.config.listener.v3.Filter";
        let type_url = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
        let filter = json!({"name": "x", "typed_config": {"@type": type_url, "stat_prefix": "a", "cluster": "b"}});
        let message = schema.message_from_json(name, &filter).unwrap();
        assert_eq!(schema.message_to_json(&message).unwrap(), filter);
    }

    #[test]
    fn a_value_that_does_not_fit_is_told() {
        let schema = Schema::load().unwrap();
        let name = "envoy.config.listener.v3.Filter";
        let told = schema.message_from_json(name, &json!({"nam": "x"})).unwrap_err().to_string();
        assert!(told.starts_with("envoy.config.listener.v3.Filter: ") && told.contains("nam"), "{told}");
        assert!(schema.message_from_json("envoy.Nothing", &json!({})).is_err());
    }
}
