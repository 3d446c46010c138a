//! The tables in the terminal.

use crate::bars::Verdict;
use crate::contender::CONTENDERS;
use crate::ratio::{self, Spread};
use crate::results::Results;
use crate::sample::{Metric, Sample};
use crate::workload::WORKLOADS;
use comfy_table::{CellAlignment, Table, presets};
use std::collections::BTreeSet;

/// The columns of the runs under load.
const LOAD: [Metric; 8] = [
    Metric::Throughput,
    Metric::P50,
    Metric::P99,
    Metric::P999,
    Metric::Cpu,
    Metric::RedisCpu,
    Metric::Switches,
    Metric::PeakMemory,
];
/// The columns of memory.
const MEMORY: [Metric; 3] = [Metric::StartMemory, Metric::IdleMemory, Metric::BigMemory];

/// Everything: the numbers, the notes, and the bars at the end, where the eye is.
pub fn all(results: &Results) -> String {
    let notes: String = results.notes.iter().map(|note| format!("note: {note}\n")).collect();
    format!(
        "{}\n\nMedians over all rounds; in brackets the lowest and the highest round.\n{}\n\n{}\n\n{notes}{}\n{}\n",
        results.origin.line(),
        load(&results.samples),
        memory(&results.samples),
        bars(&results.bars),
        closing(&results.bars),
    )
}

/// The runs under load.
pub fn load(samples: &[Sample]) -> String {
    let mut table = table(
        ["workload", "contender"].into_iter().chain(LOAD.map(Metric::title)).chain(["CPU ours ÷", "requests/s ours ÷"]),
    );
    for (workload, contender) in pairs(samples, Metric::Throughput) {
        let number = |metric| shown(metric, ratio::of(samples, &workload, contender, metric));
        let against = |metric| {
            let ratio = ratio::between(samples, &workload, metric, CONTENDERS[0].name, contender);
            ratio.filter(|_| contender != CONTENDERS[0].name).map_or_else(String::new, with_spread)
        };
        let mut row = vec![workload.clone(), contender.to_owned()];
        row.extend(LOAD.map(number));
        row.extend([against(Metric::Cpu), against(Metric::Throughput)]);
        table.add_row(row);
    }
    aligned(table, 2)
}

/// What memory was measured.
pub fn memory(samples: &[Sample]) -> String {
    let mut table = table(["workload", "contender"].into_iter().chain(MEMORY.map(Metric::title)));
    for (workload, contender) in pairs(samples, Metric::StartMemory) {
        let mut row = vec![workload.clone(), contender.to_owned()];
        row.extend(MEMORY.map(|metric| shown(metric, ratio::of(samples, &workload, contender, metric))));
        table.add_row(row);
    }
    aligned(table, 2)
}

/// The bars.
pub fn bars(verdicts: &[Verdict]) -> String {
    let mut table = table(["workload", "what", "bar", "median", "lowest – highest", ""]);
    for verdict in verdicts {
        let mark = verdict.met.map_or("not measured", |met| if met { "✔" } else { "✘" });
        let Verdict { workload, what, bar, median, spread, .. } = verdict;
        table.add_row([workload, what, bar, median, spread, mark]);
    }
    aligned(table, 2)
}

/// How many bars are kept.
fn closing(verdicts: &[Verdict]) -> String {
    let count = |wanted| verdicts.iter().filter(|verdict| verdict.met == wanted).count();
    let (kept, missed, open) = (count(Some(true)), count(Some(false)), count(None));
    format!("{kept} bars kept, {missed} missed, {open} not measured")
}

fn table<'a>(headings: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(headings);
    table
}

/// Numbers to the right, from the column `first` on.
fn aligned(mut table: Table, first: usize) -> String {
    table.column_iter_mut().skip(first).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table.trim_fmt()
}

/// Who was measured in what, in the order of the tables of both.
fn pairs(samples: &[Sample], metric: Metric) -> Vec<(String, &'static str)> {
    let with: BTreeSet<(&str, &str)> = samples
        .iter()
        .filter(|sample| sample.values.contains_key(&metric))
        .map(|sample| (sample.workload.as_str(), sample.contender.as_str()))
        .collect();
    let all = WORKLOADS.iter().flat_map(|row| CONTENDERS.iter().map(move |one| (row.name(), one.name)));
    all.filter(|(workload, contender)| with.contains(&(workload.as_str(), contender))).collect()
}

fn shown(metric: Metric, spread: Option<Spread>) -> String {
    spread.map_or_else(String::new, |spread| metric.show(spread.median))
}

fn with_spread(spread: Spread) -> String {
    format!("{:.2} ({:.2} – {:.2})", spread.median, spread.low, spread.high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bars;

    #[test]
    fn tables_show_medians_ratios_and_marks() {
        let sample = |who, round, cpu| {
            let sample = Sample::new("get-64-p16".into(), who, round);
            sample.with(Metric::Cpu, cpu).with(Metric::Throughput, 1000.0)
        };
        let samples =
            [sample("slotmesh", 0, 0.5), sample("envoy", 0, 2.0), sample("slotmesh", 1, 0.6), sample("envoy", 1, 2.0)];
        let text = load(&samples);
        assert!(text.contains("0.55") && text.contains("0.28 (0.25 – 0.30)"), "{text}");
        let verdicts = bars::judge_all(&samples);
        let text = super::bars(&verdicts);
        assert!(text.contains('✔') && text.contains('✘') && text.contains("not measured"), "{text}");
        assert_eq!(closing(&verdicts), format!("1 bars kept, 1 missed, {} not measured", verdicts.len() - 2));
    }
}
