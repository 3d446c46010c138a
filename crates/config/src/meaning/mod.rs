//! A message of Envoy's schema to what it means: defaults applied, contradictions and unsupported fields refused.
//!
//! Each function here takes a [`Reader`], which remembers what was read; what is set and was not read is refused when
//! the reader goes. So a field can be forgotten here, but never ignored.

mod reader;

mod bootstrap;

// Listeners.
mod listener;
mod redis_proxy;
mod routes;

mod faults;
mod key_format;
mod tcp_proxy;

// Clusters.
mod cluster;

mod balance;
mod endpoints;
mod redis_cluster;
mod upstream;

// Both.
mod address;
mod source;

use crate::report::Report;
use crate::rules::Rules;
use crate::schema::Schema;
use prost_reflect::DynamicMessage;
use reader::Reader;

/// What every reader needs.
pub(crate) struct Context<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) report: &'a Report,
    pub(crate) rules: &'a Rules<'a>,
}

/// What the bootstrap means. Only to be used if the report stays empty: what is wrong is filled in somehow.
pub(crate) fn proxy(context: &Context<'_>, bootstrap: DynamicMessage) -> meant::Proxy {
    bootstrap::proxy(&Reader::new(context, bootstrap, String::new()))
}

#[cfg(test)]
mod tests;
