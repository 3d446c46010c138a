//! `slotmesh control` serving a folder of YAML: what proxies get and when, and what people are told.

#![cfg(test)]

mod plane;
mod place;

mod face;
mod changes;
mod warnings;
mod envoy;
