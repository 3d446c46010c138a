//! Configuration from a file (`path_config_source`): a `DiscoveryResponse` in YAML or JSON.

use crate::problem::Problems;
use crate::report::Report;
use crate::schema::{Schema, names, type_in};
use crate::written;
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage};

/// What a file delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// `version_info`; may be empty.
    pub version: String,
    /// `resources`, in the order written.
    pub resources: Vec<Resource>,
}

/// A resource in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its `@type`.
    pub type_url: String,
    /// Its `name` (of endpoints the `cluster_name`).
    pub name: String,
    /// The encoded message.
    pub message: Vec<u8>,
}

/// What the file `name` with this text delivers; JSON if the name ends in `.json`, else YAML (or JSON).
///
/// # Errors
/// Every problem of the text, with its line. The resources themselves are not judged yet.
pub fn file(schema: &Schema, text: &str, name: &str) -> Result<File, Problems> {
    let report = Report::new(name);
    let is_json =
        std::path::Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let read = written::delivery(schema, text, is_json, &report);
    report.finish()?;
    let response = read.ok_or_else(|| Problems::whole(name, "holds no DiscoveryResponse"))?;
    let version = text_of(&response, "version_info");
    let resources = response.get_field_by_name("resources");
    let listed = resources.iter().filter_map(|resources| resources.as_list()).flatten();
    let each = listed.filter_map(|any| resource(schema, any.as_message()?));
    Ok(File { version, resources: each.collect() })
}

/// What an `Any` holds, wrapped in a `Resource` of the delta protocol or not.
fn resource(schema: &Schema, any: &DynamicMessage) -> Option<Resource> {
    let held = schema.unpack(any)?;
    if held.descriptor().full_name() == names::RESOURCE {
        return resource(schema, held.get_field_by_name("resource")?.as_message()?);
    }
    let name = if type_in(any) == names::ASSIGNMENT { "cluster_name" } else { "name" };
    Some(Resource { type_url: text_of(any, "type_url"), name: text_of(&held, name), message: held.encode_to_vec() })
}

fn text_of(message: &DynamicMessage, name: &str) -> String {
    message.get_field_by_name(name).and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
}
