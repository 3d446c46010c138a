//! What is counted of the watching, for Prometheus.

use super::mirror::{Mirror, Track};
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// The value of one kind under one metric.
type Read = fn(&Track) -> u64;

const OF_KINDS: [(&str, &str, &str, Read); 6] = [
    ("slotmesh_kube_objects", "gauge", "Objects that are known.", |track| track.shelf.len() as u64),
    ("slotmesh_kube_watched", "gauge", "1 if the kind is watched, or known not to be installed.", |track| {
        u64::from(track.is_well())
    }),
    (
        "slotmesh_kube_last_event_seconds",
        "gauge",
        "When the last was heard, in seconds since 1970; 0 for never.",
        |track| track.last_event.map_or(0, seconds),
    ),
    ("slotmesh_kube_lists_total", "counter", "Whole lists.", |track| track.course.lists),
    ("slotmesh_kube_watch_restarts_total", "counter", "Watches that ended, in order or not.", |track| {
        track.course.restarts
    }),
    ("slotmesh_kube_errors_total", "counter", "Attempts that failed.", |track| track.course.errors),
];

impl Mirror {
    /// In the text format of Prometheus.
    #[must_use]
    pub fn prometheus(&self) -> String {
        self.with_tracks(|tracks, away| {
            let mut out = String::new();
            for (name, form, about, read) in OF_KINDS {
                let _ = writeln!(out, "# HELP {name} {about}\n# TYPE {name} {form}");
                for track in tracks {
                    let place =
                        track.namespace.as_ref().map_or_else(String::new, |place| format!(",namespace=\"{place}\""));
                    let _ = writeln!(out, "{name}{{kind=\"{}\"{place}}} {}", track.kind.full_name(), read(track));
                }
            }
            let name = "slotmesh_kube_away_since_seconds";
            let about = "Since when the API server does not answer, in seconds since 1970; 0 while it does.";
            let _ = writeln!(out, "# HELP {name} {about}\n# TYPE {name} gauge\n{name} {}", away.map_or(0, seconds));
            out
        })
    }
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
