//! Arrays of several shards.

use super::reply::{Reply, error, first_error, read};
use std::collections::HashSet;

/// The elements of all parts in one array (KEYS, SLOWLOG GET).
pub fn concat(parts: &[&[u8]], out: &mut Vec<u8>) {
    if let Some(elements) = elements_of_all(parts, out) {
        write(&elements, out);
    }
}

/// One element a part (ROLE).
pub fn nest(parts: &[&[u8]], out: &mut Vec<u8>) {
    match first_error(parts) {
        Some(error) => out.extend_from_slice(error),
        None => write(parts, out),
    }
}

/// Names and values in one array, each name once, with the value of the first shard that has it (CONFIG GET).
pub fn pairs(parts: &[&[u8]], out: &mut Vec<u8>) {
    let Some(elements) = elements_of_all(parts, out) else { return };
    let mut seen = HashSet::new();
    let once: Vec<&[u8]> =
        elements.chunks_exact(2).filter(|pair| seen.insert(pair[0])).flat_map(|pair| [pair[0], pair[1]]).collect();
    write(&once, out);
}

/// Every element of every part, or an error written.
fn elements_of_all<'a>(parts: &[&'a [u8]], out: &mut Vec<u8>) -> Option<Vec<&'a [u8]>> {
    let mut all = Vec::new();
    if let Some(error) = first_error(parts) {
        out.extend_from_slice(error);
        return None;
    }
    for part in parts {
        let Reply::Array(elements) = read(part) else {
            error("non-array response received from shard", out);
            return None;
        };
        all.extend(elements);
    }
    Some(all)
}

fn write(elements: &[&[u8]], out: &mut Vec<u8>) {
    resp::write::array(out, elements.len());
    elements.iter().for_each(|element| out.extend_from_slice(element));
}
