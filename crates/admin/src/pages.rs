//! The table of pages: what there is, what it is for, who answers. `/help` and `/` are made from it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::any;

use crate::{House, clusters, dump, index, listeners, ready, reply, stats};

/// The parameters of a request: what stands behind the `?`.
pub(crate) type Asked = HashMap<String, String>;

/// One page.
pub(crate) struct Page {
    /// Its path.
    pub path: &'static str,
    /// Whether asking changes something, and must thus be a POST.
    pub mutates: bool,
    /// What it is for.
    pub about: &'static str,
    /// Its parameters and what they are for.
    pub parameters: &'static [(&'static str, &'static str)],
    answer: fn(&dyn House, &Asked) -> Response,
}

const USED_ONLY: (&str, &str) = ("usedonly", "leave out what is zero or has no values");
const FILTER: (&str, &str) = ("filter", "only names in which this regular expression is found");
const FORMAT: (&str, &str) = ("format", "one of text, json");

/// All pages, in alphabetical order.
pub(crate) const PAGES: &[Page] = &[
    Page { path: "/", mutates: false, about: "this list, for a browser", parameters: &[], answer: index::home },
    Page {
        path: "/clusters",
        mutates: false,
        about: "clusters and their nodes: role, slots, health, counts",
        parameters: &[FORMAT],
        answer: clusters::clusters,
    },
    Page {
        path: "/config_dump",
        mutates: false,
        about: "the configuration in force, without its secrets",
        parameters: &[],
        answer: dump::config,
    },
    Page { path: "/help", mutates: false, about: "this list", parameters: &[], answer: index::help },
    Page {
        path: "/listeners",
        mutates: false,
        about: "open listeners and their addresses",
        parameters: &[FORMAT],
        answer: listeners::listeners,
    },
    Page {
        path: "/quitquitquit",
        mutates: true,
        about: "end the process in an orderly way",
        parameters: &[],
        answer: quit,
    },
    Page {
        path: "/ready",
        mutates: false,
        about: "200 if listeners are open, otherwise 503; then clusters that cannot be used yet",
        parameters: &[],
        answer: ready::ready,
    },
    Page {
        path: "/server_info",
        mutates: false,
        about: "version, state, time since the start, options",
        parameters: &[],
        answer: dump::server_info,
    },
    Page {
        path: "/stats",
        mutates: false,
        about: "statistics",
        parameters: &[USED_ONLY, FILTER, ("format", "one of text, json, prometheus")],
        answer: stats::stats,
    },
    Page {
        path: "/stats/prometheus",
        mutates: false,
        about: "statistics for Prometheus",
        parameters: &[USED_ONLY, FILTER],
        answer: stats::prometheus,
    },
];

/// All pages, ready to be served. As with Envoy, pages that only show something answer to any method.
pub(crate) fn router(house: Arc<dyn House>) -> Router {
    let routes = PAGES.iter().fold(Router::new(), |router, page| {
        let handler = async |State(house): State<Arc<dyn House>>, method: Method, Query(asked): Query<Asked>| {
            answer(page, house.as_ref(), &method, &asked)
        };
        router.route(page.path, any(handler))
    });
    routes.fallback(async || index::unknown()).with_state(house)
}

fn answer(page: &Page, house: &dyn House, method: &Method, asked: &Asked) -> Response {
    if page.mutates && method != Method::POST {
        tracing::warn!(%method, path = page.path, "refused: changes something and needs POST");
        let why = format!("Method {method} not allowed, POST required.\n");
        return reply::text(StatusCode::METHOD_NOT_ALLOWED, why);
    }
    (page.answer)(house, asked)
}

fn quit(house: &dyn House, _: &Asked) -> Response {
    house.quit();
    reply::text(StatusCode::OK, "OK\n")
}
