//! `/ready`: may clients come?
//!
//! The first line and the status are Envoy's: `LIVE` with 200, any other state with 503. Envoy is not live until every
//! cluster was found, so one unreachable cluster keeps a pod out of service for all of them. Here the listeners open at
//! once, LIVE says just that, and what is missing follows line by line.

use axum::http::StatusCode;
use axum::response::Response;

use crate::pages::Asked;
use crate::{House, Missing, State, reply};

pub(crate) fn ready(house: &dyn House, _: &Asked) -> Response {
    let state = house.state();
    let status = if state == State::Live { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let missing: String = house.missing().iter().map(line).collect();
    reply::text(status, format!("{}\n{missing}", state.word()))
}

fn line(Missing { cluster, reason }: &Missing) -> String {
    format!("missing: {cluster}: {}\n", reason.replace(char::is_control, " "))
}
