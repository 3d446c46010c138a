//! `envoy.config.core.v3.DataSource`: read when the configuration is loaded.

use super::reader::Reader;
use meant::Secret;
use std::fs::File;
use std::io::Read;

/// Larger than any password, and than the certificates of all the authorities that systems trust.
const MOST_BYTES: u64 = 1 << 20;

/// The secret in the field `name`, exactly as it stands in its source (a line break at the end of a file belongs to
/// it, as in Envoy). An empty one counts as none, as in Envoy.
pub(super) fn secret(reader: &Reader<'_>, name: &str) -> Option<Secret> {
    bytes(reader, name).map(Secret::new)
}

/// The secrets in the list `name`, without the empty ones.
pub(super) fn secrets(reader: &Reader<'_>, name: &str) -> Vec<Secret> {
    reader.all(name).iter().filter_map(read).map(Secret::new).collect()
}

/// Like [`secret`], for what need not be hidden.
pub(super) fn bytes(reader: &Reader<'_>, name: &str) -> Option<Vec<u8>> {
    read(&reader.one(name)?)
}

fn read(source: &Reader<'_>) -> Option<Vec<u8>> {
    source.refuse("watched_directory", "files are read when the configuration is loaded: remove it");
    let content = if source.has("filename") {
        file(&source.text("filename")).map_err(|text| source.wrong("filename", text)).ok()?
    } else if source.has("environment_variable") {
        let variable = source.text("environment_variable");
        variable_named(&variable).map_err(|text| source.wrong("environment_variable", text)).ok()?
    } else if source.has("inline_bytes") {
        source.bytes("inline_bytes")
    } else {
        source.text("inline_string").into_bytes()
    };
    (!content.is_empty()).then_some(content)
}

pub(super) fn file(path: &str) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut content));
    match read {
        Ok(_) if content.len() as u64 > MOST_BYTES => Err(format!("`{path}` is larger than {MOST_BYTES} bytes")),
        Ok(_) => Ok(content),
        Err(error) => Err(format!("cannot read `{path}`: {error}")),
    }
}

fn variable_named(name: &str) -> Result<Vec<u8>, String> {
    let unset = || format!("the environment variable `{name}` is not set");
    std::env::var_os(name).map(|value| value.into_encoded_bytes()).ok_or_else(unset)
}
