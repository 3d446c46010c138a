//! The proxy as a control plane drives it: what arrives, what changes under traffic, what is refused, what goes away.

#![cfg(test)]

// A control plane that gives what a test says, what it gives, a proxy that asks it, and clients of that proxy.
mod scripted;
mod resources;
mod driven;
mod traffic;

// The real `slotmesh control` and its place.
#[allow(dead_code, reason = "the tests of the control plane use more of it")]
#[path = "../control_serving/plane.rs"]
mod plane;
#[path = "../control_serving/place.rs"]
mod place;

mod arrival;
mod demand;
mod changes;
mod refusals;
mod absent;
mod lost;
mod files;
mod istiod;
mod tutorial;
mod secrets;
mod foreign;
