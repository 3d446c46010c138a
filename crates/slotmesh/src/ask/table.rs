//! Tables without lines, which can be cut with awk and grep.

use comfy_table::{Table, presets::NOTHING};

/// A table with a head; empty text if there are no rows.
pub fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(head);
    table.add_rows(rows);
    if table.is_empty() {
        return String::new();
    }
    // A cell has a space on each side.
    let lines = table.to_string();
    lines.lines().map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line).trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_stand_below_their_head_and_nothing_is_no_table() {
        let rows = [["a".to_owned(), "1".to_owned()], ["longer".to_owned(), "2".to_owned()]];
        assert_eq!(table(["X", "Y"], rows), "X       Y\na       1\nlonger  2\n");
        assert_eq!(table(["X"], []), "");
    }

    #[test]
    fn a_row_is_a_line_however_long() {
        let long = "outbound|6379||redis ".repeat(100).trim_end().to_owned();
        let page = table(["X", "Y"], [[long.clone(), "1".to_owned()], ["a".to_owned(), long]]);
        assert_eq!(page.lines().count(), 3);
        let column = |line: &str| line.find("Y").or(line.rfind("  1").map(|at| at + 2)).unwrap();
        let lines: Vec<&str> = page.lines().collect();
        assert_eq!(column(lines[0]), column(lines[1]));
    }
}
