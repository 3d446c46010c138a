//! Figures as INFO writes them.

/// The sum, written with as many decimals as the most exact value; `None` if one value is no number.
pub(super) fn sum(values: &[&str]) -> Option<String> {
    if let Ok(integers) = values.iter().map(|value| value.parse::<i128>()).collect::<Result<Vec<_>, _>>() {
        return Some(integers.iter().sum::<i128>().to_string());
    }
    let mut total = 0.0;
    for value in values {
        total += value.parse::<f64>().ok()?;
    }
    let decimals = values.iter().map(|value| decimals(value)).max().unwrap_or(0);
    Some(format!("{total:.decimals$}"))
}

/// The largest (or smallest) value, as it was written; `None` if one value is no number.
pub(super) fn extreme<'a>(values: &[&'a str], largest: bool) -> Option<&'a str> {
    let numbers = values.iter().map(|v| Some((v.trim_end_matches('%').parse::<f64>().ok()?, *v)));
    let numbers = numbers.collect::<Option<Vec<_>>>()?;
    let order = |a: &&(f64, &str), b: &&(f64, &str)| a.0.total_cmp(&b.0);
    let found = if largest { numbers.iter().max_by(order) } else { numbers.iter().min_by(order) };
    found.map(|(_, value)| *value)
}

/// An amount of bytes as Redis writes it for people: `1015.71K`.
pub(super) fn human(bytes: f64) -> String {
    let mut amount = bytes;
    for unit in ["B", "K", "M", "G", "T", "P"] {
        if amount < 1024.0 {
            return if unit == "B" { format!("{amount:.0}B") } else { format!("{amount:.2}{unit}") };
        }
        amount /= 1024.0;
    }
    format!("{bytes:.0}B")
}

fn decimals(value: &str) -> usize {
    value.split_once('.').map_or(0, |(_, fraction)| fraction.len())
}
