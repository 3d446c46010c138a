//! What is told of a text that is refused.

use config::{Problems, load_text};

/// The tutorial.
pub const TUTORIAL: &str = include_str!("../files/tutorial.yaml");

/// The least that a Redis filter needs.
pub const SMALL: &str = r#"
static_resources:
  listeners:
  - name: l
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: f
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy
          stat_prefix: p
          settings: {op_timeout: 1s}
          prefix_routes: {catch_all_route: {cluster: c}}
"#;

/// Where the Redis filter stands in both.
pub const FILTER: &str = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config";

/// The problems of a text.
pub fn problems(text: &str) -> Problems {
    load_text(text, "t.yaml").map(|proxy| format!("{proxy:?}")).expect_err(text)
}

/// The tutorial with the first `from` replaced.
pub fn changed(from: &str, to: &str) -> String {
    assert!(TUTORIAL.contains(from), "{from}");
    TUTORIAL.replacen(from, to, 1)
}

/// The one problem of a text: its path and its words.
pub fn only(text: &str) -> (String, String) {
    let problems = problems(text);
    let told: Vec<_> = problems.iter().map(|problem| (problem.path.clone(), problem.text.clone())).collect();
    assert_eq!(told.len(), 1, "{problems}");
    told[0].clone()
}

/// A change leads to one problem, at the path and with the words.
pub fn refuses(from: &str, to: &str, path: &str, words: &str) {
    let (at, text) = only(&changed(from, to));
    assert_eq!(at, path, "{to}");
    assert!(text.contains(words), "{to}: {text}");
}
