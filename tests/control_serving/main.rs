//! `slotmesh control` serving a folder of YAML: what proxies get and when, and what people are told.

#![cfg(test)]

mod plane;
mod place;
// As the commands that reach a cluster have it.
#[allow(dead_code, reason = "the tests of commands use more of it")]
#[path = "../commands_kube/api.rs"]
mod api;

mod face;
mod changes;
mod warnings;
mod envoy;
mod webhook;
