/// The number at `at`, if it is written in one to nine digits and its CRLF is there: its value and where the next byte
/// lies.
///
/// Nothing means that this is not the common case (negative, ill-formed, huge, or not whole) and that the careful way
/// has to decide which.
#[inline(always)]
pub(crate) fn short(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    match bytes.get(at..)? {
        [a @ b'0'..=b'9', b'\r', b'\n', ..] => Some((usize::from(a - b'0'), at + 3)),
        [a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', b'\n', ..] => {
            Some((usize::from(a - b'0') * 10 + usize::from(b - b'0'), at + 4))
        }
        tail => longer(tail).map(|(value, used)| (value, at + used)),
    }
}

/// [`short`] for three digits and more.
#[inline]
fn longer(tail: &[u8]) -> Option<(usize, usize)> {
    if !matches!(tail.first(), Some(b'1'..=b'9')) {
        return None;
    }
    let mut value = 0;
    for (i, &byte) in tail.iter().take(10).enumerate() {
        if byte == b'\r' {
            return (tail.get(i + 1) == Some(&b'\n')).then_some((value, i + 2));
        }
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + usize::from(digit);
    }
    None
}

/// A decimal number exactly as strict as Redis's `string2ll`: no plus, no leading zero, no `-0`, no blank, no overflow.
pub(crate) fn strict(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        b"0" if digits.len() == text.len() => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    // The sum runs below zero because the lowest number has no positive twin.
    let below = digits.iter().try_fold(0_i64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_sub(digit)
    })?;
    if digits.len() == text.len() { below.checked_neg() } else { Some(below) }
}

/// A RESP integer: [`strict`], and a leading plus, which RESP3 allows.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    match text {
        [b'+', rest @ ..] if rest.first() != Some(&b'-') => strict(rest),
        _ => strict(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_takes_what_string2ll_takes() {
        for number in [0, 1, -1, 10, 1023, i64::MAX, i64::MIN] {
            assert_eq!(strict(number.to_string().as_bytes()), Some(number));
        }
    }

    #[test]
    fn strict_refuses_what_string2ll_refuses() {
        let over = ["9223372036854775808", "-9223372036854775809", "99999999999999999999999"];
        for text in
            ["", "-", "+", "+1", "-0", "00", "01", "-01", " 1", "1 ", "1a", "a", "--1", "0x1"].iter().chain(&over)
        {
            assert_eq!(strict(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn integer_takes_a_plus() {
        assert_eq!(integer(b"+7"), Some(7));
        assert_eq!(integer(b"-7"), Some(-7));
        assert_eq!(integer(b"+-7"), None);
        assert_eq!(integer(b"+"), None);
    }

    #[test]
    fn short_agrees_with_strict_or_leaves_it() {
        for number in [0_usize, 5, 9, 10, 99, 100, 999, 65_536, 999_999_999] {
            let text = format!("${number}\r\nrest");
            assert_eq!(short(text.as_bytes(), 1), Some((number, text.len() - 4)), "{text:?}");
        }
        for text in
            ["", "\r\n", "1", "1\r", "12\r", "123\r", "1\n", "00\r\n", "01\r\n", "-1\r\n", "12a\r\n", "1000000000\r\n"]
        {
            assert_eq!(short(text.as_bytes(), 0), None, "{text:?}");
        }
        assert_eq!(short(b"1\r\n", 4), None);
    }
}
