//! `patch.value` to the message that `applyTo` says it is.

use super::ApplyTo;
use config::Schema;
use config::dynamic::{Read, Reader};
use serde_json::Value as Json;

/// The message, or why istiod refuses it.
pub(super) fn read(schema: &Schema, apply_to: ApplyTo, value: &Json) -> Result<Read, String> {
    let Some(descriptor) = schema.message(apply_to.message()) else {
        return Err(format!("Envoy filter: {} is missing in this program", apply_to.message()));
    };
    let read = Reader { schema, carries_unknown_types: false }.read(&descriptor, value);
    read.map_err(|error| {
        let text = error.to_string();
        let prefix = match text.contains("could not resolve Any message type") {
            true if text.contains(".v2.") => "referenced type unknown (hint: try using the v3 XDS API): ",
            true => "referenced type unknown: ",
            false => "",
        };
        format!("{prefix}Envoy filter: {text}")
    })
}

/// What istiod's strict reading would warn of, with the field that was probably meant.
pub(super) fn warnings(read: &Read) -> Vec<String> {
    let unknown = read.unknown.iter().map(|unknown| {
        let meant = unknown.nearest.as_ref().map(|meant| format!(": did you mean `{meant}`?")).unwrap_or_default();
        format!(
            "Envoy filter: unknown field {:?} in {} ({} vanishes){meant}",
            unknown.field, unknown.message, unknown.path
        )
    });
    unknown.collect()
}
