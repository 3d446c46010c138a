/// The number at `at`, if it is written in one to nine digits and its CRLF is there: its value and where the next byte
/// lies.
///
/// Nothing means that this is not the common case (negative, ill-formed, huge, or not whole) and that the careful way
/// has to decide which.
///
/// One or two digits, which most lengths are, are read with their line end as one word.
#[inline(always)]
pub(crate) fn short(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let Some(Ok(word)) = bytes.get(at..at.wrapping_add(4)).map(<[u8; 4]>::try_from) else { return longer(bytes, at) };
    let word = u32::from_le_bytes(word);
    let (a, b) = (word as u8 ^ b'0', (word >> 8) as u8 ^ b'0');
    if word & 0x00ff_ff00 == 0x000a_0d00 && a <= 9 {
        return Some((usize::from(a), at + 3));
    }
    if word & 0xffff_0000 == 0x0a0d_0000 && a <= 9 && a > 0 && b <= 9 {
        return Some((usize::from(a) * 10 + usize::from(b), at + 4));
    }
    longer(bytes, at)
}

/// [`short`] for any number of digits.
#[inline(never)]
fn longer(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let tail = bytes.get(at..)?;
    let mut value = 0;
    for (i, &byte) in tail.iter().take(10).enumerate() {
        if byte == b'\r' {
            return (i > 0 && tail.get(i + 1) == Some(&b'\n')).then_some((value, at + i + 2));
        }
        let digit = byte ^ b'0';
        // A leading zero is for the careful way, unless it is all there is.
        if digit > 9 || (i > 0 && value == 0) {
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
        assert_eq!(short(b"1\r\n", 0), Some((1, 3)));
        assert_eq!(short(b"0\r\n", 0), Some((0, 3)));
        assert_eq!(short(b"1\r\n", 4), None);
        assert_eq!(short(b"1\r\n", usize::MAX), None);
    }
}
