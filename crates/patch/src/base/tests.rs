use super::{Base, NotABase};
use config::Schema;
use serde_json::{Value as Json, json};

const TYPES: &str = "type.googleapis.com/envoy.config";

fn dump() -> Json {
    json!({"configs": [
        {"@type": "x", "bootstrap": {"node": {"id": "sidecar~10.0.0.1~a.b~b.svc"}, "static_resources": {"clusters": [{"name": "agent"}]}}},
        {
            "static_clusters": [{"cluster": {"@type": format!("{TYPES}.cluster.v3.Cluster"), "name": "agent"}}],
            "dynamic_active_clusters": [
                {"version_info": "7", "cluster": {"@type": format!("{TYPES}.cluster.v3.Cluster"), "name": "a", "odd": 1}},
            ]
        },
        {"dynamic_listeners": [
            {"name": "l", "active_state": {"version_info": "8", "listener": {"@type": format!("{TYPES}.listener.v3.Listener"), "name": "l"}}},
            {"name": "gone", "draining_state": {}},
        ]},
    ]})
}

#[test]
fn a_dump_is_read_and_written_in_its_own_shape() {
    let schema = Schema::load_mesh().unwrap();
    let base = Base::read(&schema, dump()).unwrap();
    assert_eq!(base.node["id"], "sidecar~10.0.0.1~a.b~b.svc");
    assert_eq!((base.resources.listeners.len(), base.resources.clusters.len()), (1, 1));
    assert_eq!(base.warnings, ["/configs/1/dynamic_active_clusters/0: unknown field odd is left out"]);
    let mut resources = base.resources.clone();
    let mut added = resources.clusters[0].clone();
    added.set_field_by_name("name", prost_reflect::Value::String("b".to_owned()));
    resources.clusters.push(added);
    let written = base.write(&schema, &resources, json!({"done": true}));
    assert_eq!(written["report"], json!({"done": true}));
    assert_eq!(written["configs"][0], dump()["configs"][0]);
    let clusters = &written["configs"][1]["dynamic_active_clusters"];
    let of = format!("{TYPES}.cluster.v3.Cluster");
    assert_eq!(clusters[0], json!({"version_info": "7", "cluster": {"@type": of, "name": "a"}}));
    assert_eq!(clusters[1], json!({"cluster": {"@type": of, "name": "b"}}));
    assert_eq!(written["configs"][2]["dynamic_listeners"][0], dump()["configs"][2]["dynamic_listeners"][0]);
}

#[test]
fn without_dynamic_resources_the_static_ones_are_meant() {
    let schema = Schema::load_mesh().unwrap();
    let bootstrap = json!({"configs": [{"bootstrap": {"static_resources": {"clusters": [{"name": "a"}]}}}]});
    let base = Base::read(&schema, bootstrap.clone()).unwrap();
    assert_eq!(base.resources.clusters.len(), 1);
    let mut with_report = bootstrap;
    with_report["report"] = Json::Null;
    assert_eq!(base.write(&schema, &base.resources, Json::Null), with_report);
}

#[test]
fn other_files_are_refused() {
    let schema = Schema::load_mesh().unwrap();
    assert_eq!(Base::read(&schema, json!({"a": 1})).unwrap_err(), NotABase::Shape);
    let wrong = Base::read(&schema, json!({"clusters": [{"name": 1}]})).unwrap_err();
    assert!(wrong.to_string().starts_with("/clusters/0: json: cannot unmarshal number"), "{wrong}");
}
