//! `/`, `/help` and what is said about a path that does not exist: the table of pages, for people.

use std::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::Response;

use crate::pages::{Asked, PAGES, Page};
use crate::{House, reply};

const TOP: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>slotmesh</title>\n\
    <style>body{font-family:sans-serif;margin:2em}td{padding:.3em 1em;vertical-align:top}\
    small{color:#555}</style></head>\n<body><h1>slotmesh</h1>\n";

pub(crate) fn help(_: &dyn House, _: &Asked) -> Response {
    reply::text(StatusCode::OK, list())
}

pub(crate) fn unknown() -> Response {
    reply::text(StatusCode::NOT_FOUND, format!("invalid path. {}", list()))
}

fn list() -> String {
    let mut list = "admin commands are:\n".to_owned();
    for Page { path, mutates, about, parameters, .. } in PAGES {
        let method = if *mutates { " (POST)" } else { "" };
        let _ = writeln!(list, "  {path}{method}: {about}");
        for (name, about) in *parameters {
            let _ = writeln!(list, "      {name}: {about}");
        }
    }
    list
}

/// The pages as links; those that change something as buttons, because a link can be followed by accident.
pub(crate) fn home(house: &dyn House, _: &Asked) -> Response {
    let mut page = TOP.to_owned();
    let _ = writeln!(page, "<p>{} is {}.</p>\n<table>", escaped(&house.info().version), house.state().word());
    PAGES.iter().for_each(|row| page.push_str(&table_row(row)));
    page.push_str("</table></body></html>\n");
    reply::html(page)
}

fn table_row(Page { path, mutates, about, parameters, .. }: &Page) -> String {
    let link = if *mutates {
        format!("<form method=\"post\" action=\"{path}\"><button>{path}</button></form>")
    } else {
        format!("<a href=\"{path}\">{path}</a>")
    };
    let parameters: String =
        parameters.iter().map(|(name, about)| format!("<br><small>{name}: {about}</small>")).collect();
    format!("<tr><td>{link}</td><td>{about}{parameters}</td></tr>\n")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
