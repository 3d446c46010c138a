//! Integers of several shards.

use super::reply::{Reply, error, first_error, read};
use super::same::NOT_SAME;
use resp::write;

/// The sum of integers (DEL, DBSIZE, SLOWLOG LEN).
pub fn sum(parts: &[&[u8]], out: &mut Vec<u8>) {
    if let Some(error) = first_error(parts) {
        return out.extend_from_slice(error);
    }
    let total = parts.iter().try_fold(0i64, |total, part| Some(total.saturating_add(integer(part)?)));
    match total {
        Some(total) => write::integer(out, total),
        None => error("non-integer response received from shard", out),
    }
}

/// Arrays of 0 and 1: an element is 1 where it is 1 in every part (SCRIPT EXISTS: a script that one shard lacks cannot be
/// relied on).
pub fn everywhere(parts: &[&[u8]], out: &mut Vec<u8>) {
    if let Some(error) = first_error(parts) {
        return out.extend_from_slice(error);
    }
    let Some(rows) = parts.iter().map(|part| integers(part)).collect::<Option<Vec<_>>>() else {
        return error("non-array response received from shard", out);
    };
    let len = rows.first().map_or(0, Vec::len);
    if rows.iter().any(|row| row.len() != len) {
        return error(NOT_SAME, out);
    }
    write::array(out, len);
    for i in 0..len {
        write::integer(out, i64::from(rows.iter().all(|row| row[i] == 1)));
    }
}

fn integer(reply: &[u8]) -> Option<i64> {
    if let Reply::Integer(value) = read(reply) { Some(value) } else { None }
}

fn integers(reply: &[u8]) -> Option<Vec<i64>> {
    let Reply::Array(elements) = read(reply) else { return None };
    elements.into_iter().map(integer).collect()
}
