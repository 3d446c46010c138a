//! Lines of fields: `keys=1,expires=0,avg_ttl=0`.

use super::number;

type Fields<'a> = Vec<(&'a str, Vec<&'a str>)>;

/// Every field on its own: a field that ends in `_max` and a percentile is the largest, any other the sum. A mean is
/// weighted again by what it is a mean of, which all shards' sums tell exactly.
pub(super) fn merged(values: &[&str]) -> String {
    let fields = gather(values);
    let written: Vec<String> =
        fields.iter().map(|(name, values)| format!("{name}={}", field(name, values, &fields))).collect();
    written.join(",")
}

fn gather<'a>(lines: &[&'a str]) -> Fields<'a> {
    let mut fields: Fields = Vec::new();
    for (name, value) in lines.iter().flat_map(|line| line.split(',')).filter_map(|field| field.split_once('=')) {
        match fields.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    fields
}

fn field(name: &str, values: &[&str], fields: &Fields) -> String {
    let merged = match name {
        "avg_ttl" => weighted(values, fields, "expires").map(|mean| format!("{mean:.0}")),
        "usec_per_call" => Some(per(fields, "usec", "calls")),
        _ if name.ends_with("_max") || is_percentile(name) => number::extreme(values, true).map(str::to_owned),
        _ => number::sum(values),
    };
    merged.unwrap_or_else(|| values[0].to_owned())
}

fn weighted(values: &[&str], fields: &Fields, weight: &str) -> Option<f64> {
    let weights = numbers(find(fields, weight)?)?;
    let values = numbers(values)?;
    let total: f64 = weights.iter().sum();
    let all: f64 = values.iter().zip(&weights).map(|(value, weight)| value * weight).sum();
    Some(if total > 0.0 { all / total } else { 0.0 })
}

fn per(fields: &Fields, amount: &str, count: &str) -> String {
    let total = |name| find(fields, name).and_then(numbers).map_or(0.0, |values| values.iter().sum::<f64>());
    let count = total(count);
    format!("{:.2}", if count > 0.0 { total(amount) / count } else { 0.0 })
}

fn find<'f, 'a>(fields: &'f Fields<'a>, name: &str) -> Option<&'f [&'a str]> {
    fields.iter().find(|(known, _)| *known == name).map(|(_, values)| values.as_slice())
}

fn numbers(values: &[&str]) -> Option<Vec<f64>> {
    values.iter().map(|value| value.parse().ok()).collect()
}

/// `p50`, `p99.9`: percentiles of several servers cannot be merged; the largest is the bound that all keep.
fn is_percentile(name: &str) -> bool {
    name.strip_prefix('p').is_some_and(|rest| rest.parse::<f64>().is_ok())
}
