//! A Kubernetes `Secret`, whose values are never shown.

use super::spec::Clear;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A `Secret`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Secret {
    /// By key, in base64.
    data: BTreeMap<String, Clear>,
    /// By key, as it is; wins.
    string_data: BTreeMap<String, Clear>,
}

impl<'de> Deserialize<'de> for Clear {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self)
    }
}

impl Secret {
    /// The value of `key`, if it is there and is text.
    pub(super) fn text(&self, key: &str) -> Option<Result<String, ()>> {
        if let Some(Clear(text)) = self.string_data.get(key) {
            return Some(Ok(text.clone()));
        }
        let Clear(coded) = self.data.get(key)?;
        let bytes = BASE64_STANDARD.decode(coded.trim()).map_err(drop);
        Some(bytes.and_then(|bytes| String::from_utf8(bytes).map_err(drop)))
    }

    /// Its keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.data.keys().chain(self.string_data.keys()).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;
    use serde_json::{from_value, json};

    #[test]
    fn values_are_decoded_and_never_shown() {
        let secret: Secret =
            from_value(json!({"data": {"a": "aGVsbG8=", "b": "/w=="}, "stringData": {"c": "hush"}})).unwrap();
        assert_eq!(secret.text("a"), Some(Ok("hello".to_owned())));
        assert_eq!((secret.text("b"), secret.text("d")), (Some(Err(())), None));
        assert_eq!(secret.text("c"), Some(Ok("hush".to_owned())));
        let shown = format!("{secret:?}");
        assert!(!shown.contains("aGVs") && !shown.contains("hush"), "{shown}");
    }
}
