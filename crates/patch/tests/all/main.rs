//! The engine against istiod: everything that was recorded of it, and every row of what is known of its own tests.

#![cfg(test)]

mod better;
mod clusters;
mod listeners;
mod live;
mod recorded;
mod routes;
mod selection;
mod set_up;
mod validation;
