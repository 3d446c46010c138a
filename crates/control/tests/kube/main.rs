//! The control plane on an API server: a simulated one that plays what a real one said, and a real one if there is one.
#![cfg(test)]

mod api;
mod place;
mod recording;
mod scene;
mod sidecar;
mod world;

mod faults;
mod real;
mod start;
mod status;
mod real_status;

mod asking;
mod hooks;
mod webhook;
mod real_webhook;
