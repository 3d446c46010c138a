//! The table of pages: what there is, what it is for, who answers. The index is made from it.

use super::{Face, reply, show};
use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use std::collections::HashMap;
use std::fmt::Write as _;

/// The parameters of a request: what stands behind the `?`.
pub(super) type Asked = HashMap<String, String>;

/// One page.
struct Page {
    path: &'static str,
    about: &'static str,
    answer: fn(&Face, &Asked) -> Response,
}

/// All pages, in alphabetical order.
const PAGES: &[Page] = &[
    Page { path: "/", about: "this list", answer: |_, _| index() },
    Page {
        path: "/debug/configz",
        about: "the services and EnvoyFilters in force, and what is wrong with files",
        answer: show::configz,
    },
    Page {
        path: "/debug/envoyfilters",
        about: "each EnvoyFilter: where its patches were applied, or why nowhere; what was held back or refused; \
                with ?proxy=POD.NAMESPACE for one proxy",
        answer: show::envoyfilters,
    },
    Page {
        path: "/debug/resources",
        about: "the conditions of each EnvoyFilter and typed resource: accepted or not, and why; programmed on how many \
                proxies, refused by whom",
        answer: show::resources,
    },
    Page {
        path: "/debug/syncz",
        about: "each connected proxy: what it was sent, accepted and refused",
        answer: show::syncz,
    },
    Page { path: "/metrics", about: "metrics for Prometheus", answer: show::metrics },
    Page {
        path: "/ready",
        about: "200 once everything has been read; with what is wrong at the API server, and since when",
        answer: show::ready,
    },
];

/// All pages, ready to be served.
pub(super) fn router(face: Face) -> Router {
    let routes = PAGES.iter().fold(Router::new(), |router, page| {
        let handler = async |State(face): State<Face>, Query(asked): Query<Asked>| (page.answer)(&face, &asked);
        router.route(page.path, get(handler))
    });
    routes.fallback(async || unknown()).with_state(face)
}

fn unknown() -> Response {
    let list: String = PAGES.iter().map(|page| format!("  {}: {}\n", page.path, page.about)).collect();
    reply::text(StatusCode::NOT_FOUND, format!("there is no such page; there are:\n{list}"))
}

fn index() -> Response {
    let mut page = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>slotmesh control</title>\n\
        <style>body{font-family:sans-serif;margin:2em}td{padding:.3em 1em}</style></head>\n\
        <body><h1>slotmesh control</h1>\n<table>\n"
        .to_owned();
    for Page { path, about, .. } in PAGES {
        let _ = writeln!(page, "<tr><td><a href=\"{path}\">{path}</a></td><td>{about}</td></tr>");
    }
    page.push_str("</table></body></html>\n");
    reply::html(page)
}
