//! Typed Redis resources: what proxies get of them, and what is told.

#![cfg(test)]

mod mesh;
mod generation;
mod refusals;

use mesh::Mesh;
