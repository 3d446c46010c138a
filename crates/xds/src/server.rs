//! The control plane's side.
//!
//! A [`Source`] says what a node is to have; a [`Stream`] decides what is sent to it and when; the rest is the driver.
//!
//! What is sent, and when:
//! - Only what changed. Versions are hashes, so a proxy that reconnects with what it had is sent nothing.
//! - Clusters, endpoints, listeners, routes, secrets, in this order; new listeners wait until the clusters before them
//!   are acknowledged (Envoy acknowledges clusters when they are warm), but not for ever: [`Settings::patience`].
//! - Clusters and endpoints that are no more are withdrawn after the listeners that used them.
//! - The endpoints of a cluster that was changed are sent again, because Envoy warms the changed cluster anew and does not
//!   ask a second time for a name it has asked for.
//! - One response of a kind at a time; while it is not answered, changes pile up in the source and go out as one.

// What a node is to have, and when it has changed.
mod debounce;
mod source;

// One stream, without I/O.
mod interest;
mod lane;
mod stream;

// What people are shown.
mod metrics;
mod status;
mod syncz;

// The driver.
mod serve;
mod service;
mod session;

pub use debounce::{Batch, Debounce};
pub use metrics::{Histogram, KindMetrics, Metrics};
pub use serve::{Server, ServerTls, Settings, StartError};
pub use source::{Refusal, Snapshot, Source};
pub use status::{LaneStatus, ProxyStatus, Stamp};
pub use stream::{Dialect, Heard, Moment, Response, Stream};
