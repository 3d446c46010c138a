//! Configurations that name their own type: Envoy finds the extension by it.

use crate::field::{name, peek, text};
use config::Schema;
use config::schema::type_in;
use prost_reflect::DynamicMessage;

/// Where the types of extensions are.
const EXTENSIONS: &str = "envoy.extensions.";

/// The type of a configuration, also of one that is spelt as a `TypedStruct`.
pub(super) fn type_of(schema: &Schema, config: &DynamicMessage) -> String {
    let outer = type_in(config);
    let url = schema.unpack(config).filter(|_| outer.ends_with(".TypedStruct")).map(|inner| text(&inner, "type_url"));
    url.map_or(outer, |url| url.rsplit('/').next().unwrap_or_default().to_owned())
}

/// Why the extension's configuration is none of the kinds that may stand here: its type is missing, or is one of
/// Envoy's own of another kind. Of a type that is not Envoy's nothing is known.
pub(super) fn misplaced(schema: &Schema, holder: &DynamicMessage, kinds: &[&str], place: &str) -> Option<String> {
    let Some(config) = peek(holder, "typed_config") else {
        let is_elsewhere = holder.has_field_by_name("config_discovery");
        return (!is_elsewhere)
            .then(|| format!("{place}: {} has no typed_config, so its type is unknown", name(holder)));
    };
    let of = type_of(schema, config);
    let kind = of.strip_prefix(EXTENSIONS).filter(|_| schema.message(&of).is_some())?;
    let fits = kinds.iter().any(|wanted| kind.starts_with(&format!("{wanted}.")));
    (!fits).then(|| format!("{place}: {} holds {of}, which is none of the {}", name(holder), kinds.join(", ")))
}

/// What is wrong with a transport socket; `other_end` is the kind of TLS that the other side of a connection speaks.
pub(super) fn socket(schema: &Schema, socket: &DynamicMessage, place: &str, other_end: &str) -> Option<String> {
    misplaced(schema, socket, &["transport_sockets"], place).or_else(|| {
        let of = type_of(schema, peek(socket, "typed_config")?);
        of.ends_with(&format!(".{other_end}"))
            .then(|| format!("{place}: a {other_end} is for the other end of a connection"))
    })
}
