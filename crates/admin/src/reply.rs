//! A page's reply: a body, its type, and what keeps browsers from guessing or caching.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, SERVER, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// Plain text.
pub(crate) fn text(status: StatusCode, body: impl Into<Body>) -> Response {
    typed(status, "text/plain; charset=UTF-8", body)
}

/// A page for a browser.
pub(crate) fn html(body: impl Into<Body>) -> Response {
    typed(StatusCode::OK, "text/html; charset=UTF-8", body)
}

/// JSON, laid out for people.
pub(crate) fn json(value: &Value) -> Response {
    typed(StatusCode::OK, "application/json", format!("{value:#}\n"))
}

fn typed(status: StatusCode, content: &'static str, body: impl Into<Body>) -> Response {
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(content)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (SERVER, HeaderValue::from_static("slotmesh")),
    ]);
    (status, headers, body.into()).into_response()
}
