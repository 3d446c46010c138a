//! What was expected, what the servers saw, and whether it is the same.

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};

/// Columns of the table on a terminal of usual size.
const WIDTH: u16 = 118;

/// One row of the final table.
struct Finding {
    step: String,
    expected: String,
    saw: String,
    fits: bool,
}

/// All rows so far.
#[derive(Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Adds a row and returns the line of progress for it.
    pub fn add(&mut self, step: &str, expected: String, saw: String, fits: bool) -> String {
        let line = format!("  {} {step}: {saw}", sign(fits));
        self.0.push(Finding { step: step.to_owned(), expected, saw, fits });
        line
    }

    /// Whether there are rows and every one of them fits.
    pub fn all_as_expected(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|finding| finding.fits)
    }

    /// The table, ready to print; empty if nothing was found.
    pub fn table(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
        table.set_header(["Step", "Expected", "What the servers saw", ""]);
        for finding in &self.0 {
            table.add_row([&finding.step, &finding.expected, &finding.saw, sign(finding.fits)]);
        }
        let good = self.0.iter().filter(|finding| finding.fits).count();
        format!("\n{table}\n{good} of {} as expected\n", self.0.len())
    }
}

fn sign(fits: bool) -> &'static str {
    if fits { "✔" } else { "✘" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_misfit_spoils_it_and_is_shown() {
        let mut findings = Findings::default();
        assert!(!findings.all_as_expected() && findings.table().is_empty());
        assert_eq!(findings.add("set a a", "OK".into(), "OK".into(), true), "  ✔ set a a: OK");
        assert!(findings.all_as_expected());
        findings.add("get b", "b".into(), "nothing".into(), false);
        assert!(!findings.all_as_expected());
        let table = findings.table();
        assert!(table.contains("✘") && table.contains("nothing") && table.ends_with("1 of 2 as expected\n"), "{table}");
    }
}
