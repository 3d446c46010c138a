//! The control plane without its server: files, what they mean together, and what proxies share.
#![cfg(test)]

mod world;

mod files;
mod findings;
mod registry;
mod resources;
mod sharing;
