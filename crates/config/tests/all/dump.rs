//! What `/config_dump` shows, and hides.

use config::{load_file_with_dump, load_text_with_dump};
use std::path::Path;

#[test]
fn the_dump_is_the_bootstrap_with_secrets_hidden() {
    let dump = load_file_with_dump(Path::new("tests/files/everything.yaml")).unwrap().dump;
    let value: serde_json::Value = serde_json::from_str(&dump).unwrap();
    let hidden = serde_json::json!({"inline_string": "[redacted]"});
    let filter = &value["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    assert_eq!(filter["settings"]["op_timeout"], "0.250s");
    assert_eq!(filter["downstream_auth_username"], hidden);
    assert_eq!(filter["downstream_auth_password"], hidden);
    assert_eq!(filter["downstream_auth_passwords"][0], hidden);
    let options = &value["static_resources"]["clusters"][0]["typed_extension_protocol_options"];
    let options = &options["envoy.filters.network.redis_proxy"];
    assert_eq!(options["auth_password"], hidden);
    assert_eq!(options["credentials"][0]["auth_username"], hidden);
    assert_eq!(options["credentials"][0]["address"]["socket_address"]["address"], "node-1");
    for secret in ["\"ada\"", "bygone", "/v8=", "pass: word"] {
        assert!(!dump.contains(secret), "{secret}");
    }
    assert_eq!(load_file_with_dump(Path::new("tests/files/everything.yaml")).unwrap().dump, dump, "not the same twice");
}

#[test]
fn secrets_inside_a_struct_are_hidden_too() {
    let text = r#"
static_resources:
  clusters:
  - name: c
    typed_extension_protocol_options:
      envoy.filters.network.redis_proxy:
        "@type": type.googleapis.com/google.protobuf.Struct
        value: {authPassword: {inline_string: hunter2}, auth_username: {inlineString: ada}}
"#;
    let loaded = load_text_with_dump(text, "t").unwrap();
    assert_eq!(loaded.proxy.clusters[0].upstream.credentials.password.as_ref().unwrap().reveal(), b"hunter2");
    assert_eq!(loaded.proxy.clusters[0].upstream.credentials.username.as_ref().unwrap().reveal(), b"ada");
    assert!(!loaded.dump.contains("hunter2") && !loaded.dump.contains("ada"), "{}", loaded.dump);
    assert_eq!(loaded.dump.matches("[redacted]").count(), 2);
}
