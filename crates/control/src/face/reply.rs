//! A page's reply: a body, its type, and what keeps browsers from guessing or caching.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// Plain text.
pub(super) fn text(status: StatusCode, body: String) -> Response {
    typed(status, "text/plain; charset=UTF-8", body)
}

/// A page for a browser.
pub(super) fn html(body: String) -> Response {
    typed(StatusCode::OK, "text/html; charset=UTF-8", body)
}

/// JSON, laid out for people.
pub(super) fn json(value: &Value) -> Response {
    typed(StatusCode::OK, "application/json", format!("{value:#}\n"))
}

fn typed(status: StatusCode, content: &'static str, body: String) -> Response {
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(content)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]);
    (status, headers, body).into_response()
}
