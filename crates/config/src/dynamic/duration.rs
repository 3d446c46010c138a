//! Durations as Go writes and reads them: `1.5s`, `500ms`, `1h30m`, `-2us`.

use super::Unreadable;

/// The longest duration of protobuf, in seconds: about ten thousand years.
const MOST_SECONDS: i128 = 315_576_000_000;

/// Nanoseconds in one of each unit.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// The seconds and nanoseconds of `text`.
pub(super) fn read(text: &str) -> Result<(i64, i32), Unreadable> {
    let wrong = |what: &str| Unreadable(format!("bad Duration: time: {what} {text:?}"));
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok((0, 0));
    }
    let mut nanos: i128 = 0;
    if rest.is_empty() {
        return Err(wrong("invalid duration"));
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        if !number.contains(|c: char| c.is_ascii_digit()) || number.matches('.').count() > 1 {
            return Err(wrong("invalid duration"));
        }
        if unit.is_empty() {
            return Err(wrong("missing unit in duration"));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(wrong(&format!("unknown unit {unit:?} in duration")));
        };
        nanos += scaled(number, *scale).ok_or_else(|| wrong("invalid duration"))?;
        rest = tail;
    }
    let nanos = if is_negative { -nanos } else { nanos };
    if nanos.abs() > MOST_SECONDS * 1_000_000_000 {
        return Err(wrong("invalid duration"));
    }
    // Both parts have the sign of the whole.
    let parts = (i64::try_from(nanos / 1_000_000_000), i32::try_from(nanos % 1_000_000_000));
    let (Ok(seconds), Ok(nanos)) = parts else { return Err(wrong("invalid duration")) };
    Ok((seconds, nanos))
}

/// `number` (digits with at most one point) times `scale`, without what is less than one.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = whole.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.bytes() {
        place /= 10;
        nanos += i128::from(digit - b'0') * place;
    }
    Some(nanos)
}

/// As protobuf's JSON has it: seconds with no, three, six or nine digits behind the point.
pub(super) fn write(seconds: i64, nanos: i32) -> String {
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let (seconds, nanos) = (seconds.unsigned_abs(), nanos.unsigned_abs());
    match nanos {
        0 => format!("{sign}{seconds}s"),
        nanos if nanos % 1_000_000 == 0 => format!("{sign}{seconds}.{:03}s", nanos / 1_000_000),
        nanos if nanos % 1_000 == 0 => format!("{sign}{seconds}.{:06}s", nanos / 1_000),
        nanos => format!("{sign}{seconds}.{nanos:09}s"),
    }
}
