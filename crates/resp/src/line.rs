use memchr::memchr;

/// What can be said about a line of which some bytes are here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It ends; its CR lies at this offset.
    Whole(usize),
    /// It goes on.
    Partial,
    /// It has no end within the limit.
    TooLong,
    /// It has a CR without LF.
    Broken,
}

/// Finds the CRLF of the line that begins at `start` and has at most `limit` bytes before its CR.
///
/// `seen` is how far earlier calls have looked in vain; it is moved on, so that a line that comes byte by byte is still
/// read once.
pub(crate) fn find(bytes: &[u8], start: usize, seen: &mut usize, limit: usize) -> Line {
    let from = start.max(*seen);
    let to = bytes.len().min(start.saturating_add(limit).saturating_add(1));
    let Some(found) = bytes.get(from..to).and_then(|window| memchr(b'\r', window)) else {
        *seen = from.max(to);
        return if bytes.len().saturating_sub(start) > limit { Line::TooLong } else { Line::Partial };
    };
    *seen = from + found;
    match bytes.get(from + found + 1) {
        Some(b'\n') => Line::Whole(from + found),
        Some(_) => Line::Broken,
        None => Line::Partial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_at_once_or_later() {
        let mut seen = 0;
        assert_eq!(find(b"..abc", 2, &mut seen, 10), Line::Partial);
        assert_eq!(seen, 5);
        assert_eq!(find(b"..abc\r", 2, &mut seen, 10), Line::Partial);
        assert_eq!(find(b"..abc\r\n", 2, &mut seen, 10), Line::Whole(5));
        assert_eq!(find(b"..abc\rx", 2, &mut 0, 10), Line::Broken);
    }

    #[test]
    fn the_limit_is_the_same_however_the_bytes_come() {
        assert_eq!(find(b"abc\r\n", 0, &mut 0, 3), Line::Whole(3));
        assert_eq!(find(b"abc\r\n", 0, &mut 0, 2), Line::TooLong);
        assert_eq!(find(b"abc", 0, &mut 0, 3), Line::Partial);
        assert_eq!(find(b"abc", 0, &mut 0, 2), Line::TooLong);
    }

    #[test]
    fn a_start_beyond_the_bytes_is_partial() {
        assert_eq!(find(b"ab", 7, &mut 0, 2), Line::Partial);
    }
}
