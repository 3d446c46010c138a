//! The charts, as SVG: panels side by side, each with a scale of its own, one bar a contender.
//!
//! A scale of its own, because what one request costs differs by a factor of thirty between pipeline depths, and the
//! comparison is between contenders.

use crate::Result;
use crate::contender::CONTENDERS;
use crate::ratio::{self, Spread};
use crate::results::Results;
use crate::sample::Metric;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Pixels: a panel with its names, bars and numbers.
const PANEL: usize = 310;
const NAMES: usize = 78;
const BARS: usize = 150;
/// Pixels: one bar with the gap below it.
const LINE: usize = 26;
const THICK: usize = 16;
/// Pixels above the panels, and a panel's own title.
const HEAD: usize = 64;
/// Pixels below the panels.
const FOOT: usize = 40;

/// One chart: a file, a title, what is better, and its panels.
struct Chart {
    file: &'static str,
    title: &'static str,
    better: &'static str,
    /// A heading, a workload, a number.
    panels: &'static [(&'static str, &'static str, Metric)],
}

const CHARTS: &[Chart] = &[
    Chart {
        file: "cpu-get.svg",
        title: "GET: processor time of the proxy, µs a request",
        better: "shorter is better; direct: redis-server itself",
        panels: &[
            ("no pipeline", "get-64-p1", Metric::Cpu),
            ("pipeline 16", "get-64-p16", Metric::Cpu),
            ("pipeline 64", "get-64-p64", Metric::Cpu),
        ],
    },
    Chart {
        file: "cpu-set.svg",
        title: "SET: processor time of the proxy, µs a request",
        better: "shorter is better; direct: redis-server itself",
        panels: &[
            ("no pipeline", "set-64-p1", Metric::Cpu),
            ("pipeline 16", "set-64-p16", Metric::Cpu),
            ("pipeline 64", "set-64-p64", Metric::Cpu),
        ],
    },
    Chart {
        file: "cpu-redis.svg",
        title: "GET: processor time of the Redis servers behind the proxy, µs a request",
        better: "shorter is better",
        panels: &[
            ("no pipeline", "get-64-p1", Metric::RedisCpu),
            ("pipeline 16", "get-64-p16", Metric::RedisCpu),
            ("pipeline 64", "get-64-p64", Metric::RedisCpu),
        ],
    },
    Chart {
        file: "throughput.svg",
        title: "GET: requests a second with 50 clients",
        better: "longer is better",
        panels: &[
            ("no pipeline", "get-64-p1", Metric::Throughput),
            ("pipeline 16", "get-64-p16", Metric::Throughput),
            ("pipeline 64", "get-64-p64", Metric::Throughput),
        ],
    },
    Chart {
        file: "latency.svg",
        title: "GET at a constant rate, half of Envoy's maximum: latency in µs from the intended start",
        better: "shorter is better",
        panels: &[
            ("half of all within", "get-64-open50", Metric::P50),
            ("99 % within", "get-64-open50", Metric::P99),
            ("99.9 % within", "get-64-open50", Metric::P999),
        ],
    },
    Chart {
        file: "many.svg",
        title: "What else a cluster needs: processor time of the proxy, µs a request",
        better: "shorter is better",
        panels: &[
            ("MGET of 10 keys, spread", "mget10-spread-64-p1", Metric::Cpu),
            ("SET, mirrored, pipeline 16", "set-64-p16-mirror", Metric::Cpu),
            ("GET with 1,000 idle clients", "get-64-idle1000", Metric::Cpu),
        ],
    },
    Chart {
        file: "memory.svg",
        title: "Resident memory of the proxy",
        better: "shorter is better",
        panels: &[
            ("after start, MiB", "get-64-idle1000", Metric::StartMemory),
            ("each idle client, KiB", "get-64-idle1000", Metric::IdleMemory),
            ("growth by a 64 MiB value, MiB", "big-67108864", Metric::BigMemory),
        ],
    },
];

/// Draws every chart for which there are numbers into `folder`.
///
/// # Errors
/// A file cannot be written.
pub fn draw_all(results: &Results, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for chart in CHARTS {
        if let Some(svg) = draw(chart, results) {
            fs::write(folder.join(chart.file), svg)?;
        }
    }
    Ok(())
}

fn draw(chart: &Chart, results: &Results) -> Option<String> {
    let panels: Vec<_> = chart.panels.iter().map(|panel| (panel, bars_of(panel, results))).collect();
    let lines = panels.iter().map(|(_, bars)| bars.len()).max().filter(|lines| *lines > 0)?;
    let (width, height) = (20 + PANEL * panels.len(), HEAD + 24 + LINE * lines + FOOT);
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#1f2430\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>"
    );
    text(&mut svg, 20, 28, "font-size=\"17\" font-weight=\"600\"", chart.title);
    text(&mut svg, 20, 48, "fill=\"#667085\"", &format!("{}; lines: lowest and highest round", chart.better));
    for (i, ((heading, _, metric), bars)) in panels.iter().enumerate() {
        panel(&mut svg, 20 + i * PANEL, heading, *metric, bars);
    }
    text(&mut svg, 20, height - 14, "font-size=\"10\" fill=\"#667085\"", &results.origin.line());
    svg.push_str("</svg>\n");
    Some(svg)
}

/// The contenders that have this number.
fn bars_of(panel: &(&str, &str, Metric), results: &Results) -> Vec<(&'static str, Spread)> {
    let one = |name| Some((name, ratio::of(&results.samples, panel.1, name, panel.2)?));
    CONTENDERS.iter().filter_map(|contender| one(contender.name)).collect()
}

fn panel(svg: &mut String, x: usize, heading: &str, metric: Metric, bars: &[(&str, Spread)]) {
    text(svg, x, HEAD + 14, "font-weight=\"600\"", heading);
    let most = bars.iter().map(|(_, spread)| spread.high).fold(f64::MIN_POSITIVE, f64::max);
    let pixels = |value: f64| value / most * BARS as f64;
    for (i, (name, spread)) in bars.iter().enumerate() {
        let y = HEAD + 28 + i * LINE;
        let (left, middle) = (x + NAMES, y + THICK / 2);
        text(svg, x, y + 13, "", name);
        let _ = writeln!(
            svg,
            "<rect x=\"{left}\" y=\"{y}\" width=\"{:.1}\" height=\"{THICK}\" rx=\"2\" fill=\"{}\"/>",
            pixels(spread.median).max(1.0),
            colour(name)
        );
        let (low, high) = (left as f64 + pixels(spread.low), left as f64 + pixels(spread.high));
        let _ = writeln!(
            svg,
            "<path d=\"M{low:.1} {middle}H{high:.1}\" stroke=\"#1f2430\" stroke-width=\"1.5\" fill=\"none\"/>"
        );
        let end = (high.max(left as f64 + pixels(spread.median)) + 6.0) as usize;
        text(svg, end, y + 13, "", &metric.show(spread.median));
    }
}

fn colour(name: &str) -> &'static str {
    match name {
        "slotmesh" => "#0f9d76",
        "envoy" => "#9b8afb",
        // What is no proxy that one could use instead.
        "direct" | "floor" => "#d0d5dd",
        _ => "#98a2b3",
    }
}

fn text(svg: &mut String, x: usize, y: usize, style: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" {style}>{content}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Origin;
    use crate::run::Measured;
    use crate::sample::Sample;
    use crate::workload::WORKLOADS;

    fn results() -> Results {
        let sample = |who, cpu| Sample::new("get-64-p1".into(), who, 0).with(Metric::Cpu, cpu);
        let measured =
            Measured { samples: vec![sample("slotmesh", 5.0), sample("envoy", 10.0)], ..Measured::default() };
        Results::new(Origin::here("make bench & more".into()), measured)
    }

    #[test]
    fn bars_are_to_scale_and_the_origin_is_on_the_chart() {
        let svg = draw(&CHARTS[0], &results()).unwrap();
        assert!(svg.contains("width=\"75.0\"") && svg.contains("width=\"150.0\""), "{svg}");
        assert!(svg.contains("make bench &amp; more") && svg.contains("5.00"));
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }

    #[test]
    fn nothing_is_drawn_without_numbers() {
        let folder = tempfile::tempdir().unwrap();
        draw_all(&results(), folder.path()).unwrap();
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files, ["cpu-get.svg"]);
    }

    #[test]
    fn panels_name_workloads_that_exist() {
        for (_, workload, _) in CHARTS.iter().flat_map(|chart| chart.panels) {
            assert!(WORKLOADS.iter().any(|row| row.name() == *workload), "{workload}");
        }
    }
}
