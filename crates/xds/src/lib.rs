//! The ADS protocol, client and server side, state of the world and delta.
//!
//! Both sides are built the same way: a core that decides - messages and time in, messages out, no socket and no clock -
//! and a thin driver that owns the connection. The server asks a [`server::Source`] what a node is to have and sends only
//! what changed; the client hands every new or changed resource to its user and acknowledges what the user accepted,
//! not what it received.
//!
//! What a resource *means* is not this room's business: resources are named bytes with a version.

// The messages of the discovery service, as far as they are needed.
pub mod proto;
// The types of resources, in the order in which they are pushed.
pub mod kind;
// One named resource, an immutable set of them, and what differs between two sets.
pub mod resource;
// Who asks: the node, and the identity that Istio writes into its id.
pub mod node;
// The names that one side asks the other for.
pub mod names;
// The paths of the gRPC methods.
pub mod method;
// What was refused, and the resources that a refusal's text names.
pub mod nack;
// The control plane's side.
pub mod server;
// The proxy's side.
pub mod client;

pub use kind::{Kind, PerKind};
pub use nack::Nack;
pub use node::{Identity, Node};
pub use resource::{Resource, ResourceSet};
