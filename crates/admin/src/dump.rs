//! `/config_dump` and `/server_info`.

use axum::response::Response;
use serde_json::{Value, json};

use crate::pages::Asked;
use crate::{House, reply};

/// The fields whose text nobody may read here: those that Envoy's API marks as sensitive and this proxy knows.
const SECRET: [&str; 9] = [
    "downstream_auth_password",
    "downstream_auth_passwords",
    "downstream_auth_username",
    "auth_password",
    "auth_username",
    "private_key",
    "password",
    "inline_string",
    "inline_bytes",
];

/// The configuration, `inline_string` and the like blotted out. Whoever made the dump should have done that already;
/// but this is the last door, and a password that has left through it cannot be called back.
pub(crate) fn config(house: &dyn House, _: &Asked) -> Response {
    let mut dump = house.config_dump();
    blot_out(&mut dump, false);
    reply::json(&dump)
}

/// Replaces every text under a secret field, at any depth; `filename` and `environment_variable` say only where a
/// secret lies, which whoever looks for a mistake needs to see.
fn blot_out(value: &mut Value, secret: bool) {
    match value {
        Value::String(text) if secret => "[redacted]".clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(|item| blot_out(item, secret)),
        Value::Object(fields) => {
            for (name, field) in fields {
                blot_out(field, is_secret(name) || secret && !is_whereabouts(name));
            }
        }
        _ => {}
    }
}

/// Both spellings of protobuf's JSON: `auth_password` and `authPassword`.
fn is_secret(name: &str) -> bool {
    SECRET.iter().any(|secret| same_field(secret, name))
}

fn is_whereabouts(name: &str) -> bool {
    ["filename", "environment_variable", "watched_directory"].iter().any(|field| same_field(field, name))
}

fn same_field(field: &str, name: &str) -> bool {
    let letters = |name: &str| name.replace('_', "").to_ascii_lowercase();
    letters(field) == letters(name)
}

/// Envoy's fields, as far as they mean something here.
pub(crate) fn server_info(house: &dyn House, _: &Asked) -> Response {
    let info = house.info();
    let uptime = format!("{}s", info.started.elapsed().as_secs());
    reply::json(&json!({
        "version": info.version,
        "state": house.state().word(),
        "uptime_current_epoch": uptime,
        "uptime_all_epochs": uptime,
        "command_line_options": info.command_line_options,
        "node": {"id": info.node_id, "cluster": info.node_cluster, "user_agent_name": "slotmesh"},
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn secrets_are_blotted_out_wherever_they_are_and_nothing_else() {
        let mut dump = json!({
            "stat_prefix": "password",
            "downstream_auth_passwords": [{"inline_string": "a"}, {"filename": "/etc/pw"}, "b"],
            "authPassword": {"inlineBytes": "YQ==", "environmentVariable": "REDIS_PASSWORD"},
            "credentials": [{"address": {"port_value": 1}, "auth_username": {"deep": [{"er": "c"}]}}],
        });
        super::blot_out(&mut dump, false);
        let gone = "[redacted]";
        assert_eq!(
            dump,
            json!({
                "stat_prefix": "password",
                "downstream_auth_passwords": [{"inline_string": gone}, {"filename": "/etc/pw"}, gone],
                "authPassword": {"inlineBytes": gone, "environmentVariable": "REDIS_PASSWORD"},
                "credentials": [{"address": {"port_value": 1}, "auth_username": {"deep": [{"er": gone}]}}],
            })
        );
    }
}
