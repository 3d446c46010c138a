//! Typed resources that cannot be used, and why.

use super::Found;
use super::world::{World, of_problem};
use config::Problem;

/// Why one cannot be used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// A host or port that no service has.
    Place,
    /// A Secret or a key of one that is not there.
    Secret,
    Other,
}

/// By the field that is wrong.
fn why(problem: &Problem) -> Why {
    let mut steps = problem.path.rsplit('.');
    let last = steps.next().unwrap_or_default().split('[').next().unwrap_or_default();
    match (last, steps.next()) {
        (_, Some("secretKeyRef")) => Why::Secret,
        ("host" | "port", _) if !problem.text.contains("is decided by") => Why::Place,
        _ => Why::Other,
    }
}

fn refused(world: &World, wanted: Why) -> Vec<Found> {
    world.state.refused.iter().filter(|problem| why(problem) == wanted).map(of_problem).collect()
}

/// Resources for hosts or ports that are not there.
pub(super) fn no_such_place(world: &World) -> Vec<Found> {
    refused(world, Why::Place)
}

/// Resources with passwords or certificates of Secrets that are not there.
pub(super) fn no_such_secret(world: &World) -> Vec<Found> {
    refused(world, Why::Secret)
}

/// The others.
pub(super) fn otherwise(world: &World) -> Vec<Found> {
    refused(world, Why::Other)
}
