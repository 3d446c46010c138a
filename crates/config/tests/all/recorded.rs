//! What a real istiod sent to the sidecars of the tutorial, and the bootstrap that its agent wrote.

use config::delivered::{self, Reading, Sources};
use config::{Problems, Schema};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// `states`: setting, state and proxy to the numbers of its `lds`, `cds` and `eds`; `resources`: all of them.
static RECORDED: LazyLock<Value> = LazyLock::new(|| {
    let bytes = include_bytes!("../files/istiod.json.gz");
    serde_json::from_reader(GzDecoder::new(bytes.as_slice())).unwrap()
});

/// What a sidecar loads from its bootstrap.
pub fn sidecar() -> config::Loaded {
    config::load_file_with_dump(Path::new("tests/files/sidecar.json")).unwrap_or_else(|problems| panic!("{problems}"))
}

/// All states.
pub fn states() -> Vec<&'static String> {
    RECORDED["states"].as_object().unwrap().keys().collect()
}

/// The resources of a kind in a state.
pub fn resources(state: &str, kind: &str) -> Vec<&'static Value> {
    let numbers = RECORDED["states"][state][kind].as_array().unwrap();
    numbers.iter().map(|number| &RECORDED["resources"][number.as_u64().unwrap() as usize]).collect()
}

/// As it stands on the wire. `mesh` knows the messages of Istio.
pub fn encoded(mesh: &Schema, resource: &Value) -> Vec<u8> {
    let any = mesh.message_from_json("google.protobuf.Any", resource).unwrap();
    any.get_field_by_name("value").unwrap().as_bytes().unwrap().to_vec()
}

/// The resource `name` of a kind in a state.
pub fn named(state: &str, kind: &str, name: &str) -> &'static Value {
    let is = |resource: &&Value| resource["name"] == name || resource["cluster_name"] == name;
    resources(state, kind).into_iter().find(is).unwrap_or_else(|| panic!("no {name} in {state}"))
}

/// Both schemas and what a bootstrap has: what each reading needs.
pub struct Reader {
    pub schema: Schema,
    pub mesh: Schema,
    pub sources: Sources,
}

impl Reader {
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Reader> = LazyLock::new(|| Reader {
            schema: Schema::load().unwrap(),
            mesh: Schema::load_mesh().unwrap(),
            sources: sidecar().sources,
        });
        &SHARED
    }

    pub fn listener(&self, json: &Value) -> Result<Reading<Arc<meant::Listener>>, Problems> {
        delivered::listener(&self.schema, &self.sources, &encoded(&self.mesh, json))
    }

    pub fn cluster(&self, json: &Value) -> Result<Reading<Arc<meant::Cluster>>, Problems> {
        delivered::cluster(&self.schema, &self.sources, &encoded(&self.mesh, json))
    }

    pub fn endpoints(&self, json: &Value) -> Result<Reading<meant::Assignment>, Problems> {
        delivered::endpoints(&self.schema, &encoded(&self.mesh, json))
    }
}
