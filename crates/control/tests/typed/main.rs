//! Typed Redis resources: what proxies get of them, and what is told.

#![cfg(test)]

mod mesh;
mod aeraki;
mod coverage;
mod crds;
mod full;
mod generation;
mod pains;
mod refusals;
mod translation;

use mesh::Mesh;
