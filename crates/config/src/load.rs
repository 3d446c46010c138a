//! From a file or a text to what it means, with every problem on the way.

use crate::apart::apart;
use crate::delivered::Sources;
use crate::meaning::{self, Context};
use crate::problem::Problems;
use crate::report::Report;
use crate::rules::Rules;
use crate::schema::Schema;
use crate::{dump, written};
use prost_reflect::DynamicMessage;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Larger than any bootstrap.
const MOST_BYTES: u64 = 64 << 20;

/// A configuration and how to show it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it means.
    pub proxy: meant::Proxy,
    /// The bootstrap as protobuf's JSON form with Envoy's field names, keys sorted; what Envoy marks as sensitive is
    /// `[redacted]`.
    pub dump: String,
    /// What it says that has no effect here, one clear line each. Only a proxy that is driven by a control plane is told
    /// so; where everything is written by hand the same is refused.
    pub notes: Vec<String>,
    /// What delivered resources may name of the bootstrap.
    pub sources: Sources,
}

/// What the Envoy v3 bootstrap in the file at `path` means; JSON if the name ends in `.json`, else YAML (or JSON).
///
/// # Errors
/// Every problem of the file.
pub fn load_file(path: &Path) -> Result<meant::Proxy, Problems> {
    let (text, name) = read(path)?;
    load_text(&text, &name)
}

/// Like [`load_file`], with the dump.
///
/// # Errors
/// Every problem of the file.
pub fn load_file_with_dump(path: &Path) -> Result<Loaded, Problems> {
    let (text, name) = read(path)?;
    load_text_with_dump(&text, &name)
}

/// What the Envoy v3 bootstrap in `text` means; problems are told of the file `name`.
///
/// # Errors
/// Every problem of the text.
pub fn load_text(text: &str, name: &str) -> Result<meant::Proxy, Problems> {
    let found = apart(Schema::load, |schema| bootstrap(schema, text, name).map(|read| read.proxy));
    found.unwrap_or_else(|error| Err(Problems::whole(name, error.to_string())))
}

/// Like [`load_text`], with the dump.
///
/// # Errors
/// Every problem of the text.
pub fn load_text_with_dump(text: &str, name: &str) -> Result<Loaded, Problems> {
    let found = apart(Schema::load, |schema| {
        let Bootstrap { proxy, message, notes, sources } = bootstrap(schema, text, name)?;
        let dump = dump::json(schema, message).map_err(|error| Problems::whole(name, error))?;
        Ok(Loaded { proxy, dump, notes, sources })
    });
    found.unwrap_or_else(|error| Err(Problems::whole(name, error.to_string())))
}

/// A bootstrap, read.
struct Bootstrap {
    proxy: meant::Proxy,
    message: DynamicMessage,
    notes: Vec<String>,
    sources: Sources,
}

fn bootstrap(schema: &Schema, text: &str, name: &str) -> Result<Bootstrap, Problems> {
    let report = Report::new(name);
    let is_json = Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let read = written::bootstrap(schema, text, is_json, &report).map(|message| {
        let rules = Rules::new(schema, &report);
        rules.check(&message, "");
        let none = Sources::default();
        let context = Context { schema, report: &report, rules: &rules, sources: &none };
        let sources = meaning::sources(&context, message.clone());
        let context = Context { sources: &sources, ..context };
        let (proxy, subjects) = meaning::proxy(&context, message.clone());
        let notes = subjects.iter().flat_map(|subject| subject.lines()).collect();
        Bootstrap { proxy, message, notes, sources }
    });
    report.finish()?;
    read.ok_or_else(|| Problems::whole(name, "holds no bootstrap"))
}

fn read(path: &Path) -> Result<(String, String), Problems> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    let content = File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes));
    content.map_err(|error| Problems::whole(&name, format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Problems::whole(&name, format!("is larger than {MOST_BYTES} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| Problems::whole(&name, "is not UTF-8 text"))?;
    Ok((text, name))
}
