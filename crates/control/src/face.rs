//! The control plane's HTTP face: readiness, metrics, and what is served to whom.
//!
//! Paths are istiod's where it has the page. A page is a row of the table in `pages` and a function to a reply. It only
//! shows: nothing can be changed here. What it shows names services and proxies, so bind it to loopback.

mod serve;
mod pages;
mod show;
mod numbers;
mod reply;

use crate::kube::Mirror;
use crate::plane::Plane;
use crate::status::Board;
use std::sync::Arc;
use xds::server::Server;

pub use serve::serve;

/// What the face shows.
#[derive(Clone, Debug)]
pub struct Face {
    /// What is served.
    pub plane: Arc<Plane>,
    /// To whom.
    pub server: Server,
    /// The API server that is watched, if one is.
    pub kube: Option<Arc<Mirror>>,
    /// What became of resources.
    pub board: Arc<Board>,
}
