//! Commands as clients send them: arrays of bulk strings, or inline.

/// The first whole command in `bytes` and its length; an empty array or line is an empty command.
pub(super) fn parse(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    let (line, mut at) = line(bytes, 0)?;
    let Some(count) = line.strip_prefix(b"*") else {
        let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        return Some((words.map(<[u8]>::to_vec).collect(), at));
    };
    let mut args = Vec::new();
    for _ in 0..number(count)? {
        let (header, body) = self::line(bytes, at)?;
        let end = body + number(header.strip_prefix(b"$")?)?;
        args.push(bytes.get(body..end)?.to_vec());
        at = end + 2;
    }
    (bytes.len() >= at).then_some((args, at))
}

fn line(bytes: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(from..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&rest[..end], from + end + 2))
}

fn number(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn arrays_and_lines_are_read_when_whole() {
        let wire = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING x\r\n";
        assert_eq!(parse(wire), Some((vec![b"GET".to_vec(), b"a".to_vec()], 20)));
        assert_eq!(parse(&wire[20..]), Some((vec![b"PING".to_vec(), b"x".to_vec()], 8)));
        assert!((0..20).all(|cut| parse(&wire[..cut]).is_none()));
    }
}
