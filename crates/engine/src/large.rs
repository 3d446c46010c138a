//! Off the road: values too large to be held. Past a threshold they stream through, in both directions: memory does not
//! grow with the value.

mod request;
mod reply;

pub(crate) use reply::Large;
pub(crate) use request::Body;
