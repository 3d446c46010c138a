use super::Arg;
use crate::{Limits, Malformed, write};

/// Inline requests: splits a line into words as Redis's `sdssplitargs` does, and writes them as an array of bulk
/// strings, because nodes are never sent anything else.
#[derive(Debug, Default)]
pub(super) struct Inline {
    /// The words without their quotes and escapes, one behind the other.
    words: Vec<u8>,
    /// The same as an array of bulk strings.
    encoded: Vec<u8>,
}

/// What is kept of the buffers, in bytes, when a scan is reset.
const KEEP: usize = 4096;

impl Inline {
    /// The line (without its end) as an array; empty if the line is blank. `args` become the words' places in it.
    pub(super) fn encode(&mut self, line: &[u8], args: &mut Vec<Arg>, limits: &Limits) -> Result<&[u8], Malformed> {
        self.words.clear();
        self.encoded.clear();
        args.clear();
        let mut rest = line;
        while let Some(word) = start(rest) {
            if args.len() == limits.arguments {
                return Err(Malformed::MultibulkLength);
            }
            let begin = self.words.len();
            rest = take(word, &mut self.words)?;
            args.push(Arg { start: begin as u32, len: (self.words.len() - begin) as u32 });
        }
        if !args.is_empty() {
            self.write(args);
        }
        Ok(&self.encoded)
    }

    /// The array that the last line became.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Gives back large buffers.
    pub(super) fn reset(&mut self) {
        self.words.clear();
        self.words.shrink_to(KEEP);
        self.encoded.clear();
        self.encoded.shrink_to(KEEP);
    }

    /// Writes the words as an array, and turns `args` from places in `words` to places in it.
    fn write(&mut self, args: &mut [Arg]) {
        write::array(&mut self.encoded, args.len());
        for arg in args {
            let (start, len) = (arg.start as usize, arg.len as usize);
            write::bulk(&mut self.encoded, self.words.get(start..start + len).unwrap_or_default());
            arg.start = (self.encoded.len() - len - 2) as u32;
        }
    }
}

/// The rest of the line from its next word on, or nothing if only blanks remain.
fn start(line: &[u8]) -> Option<&[u8]> {
    let blanks = line.iter().take_while(|&&byte| is_space(byte)).count();
    line.get(blanks..).filter(|rest| !rest.is_empty())
}

/// C's `isspace`: one more than Rust's, the vertical tab.
fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// Appends the word at the start of the line to `out`; what remains. A quote may open inside a word (`a"b c"`), but
/// has to close at its end.
fn take<'a>(mut line: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], Malformed> {
    loop {
        match line {
            [] => return Ok(line),
            [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] => return Ok(rest),
            [b'"', rest @ ..] => return double(rest, out),
            [b'\'', rest @ ..] => return single(rest, out),
            [byte, rest @ ..] => {
                out.push(*byte);
                line = rest;
            }
        }
    }
}

/// The inside of double quotes, with escapes.
fn double<'a>(mut line: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], Malformed> {
    loop {
        let (byte, rest) = match line {
            [b'\\', b'x', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex(*high) << 4 | hex(*low), rest)
            }
            [b'\\', escaped, rest @ ..] => (unescape(*escaped), rest),
            [b'"', rest @ ..] => return closed(rest),
            [byte, rest @ ..] => (*byte, rest),
            [] => return Err(Malformed::UnbalancedQuotes),
        };
        out.push(byte);
        line = rest;
    }
}

/// The inside of single quotes, where only `\'` is an escape.
fn single<'a>(mut line: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], Malformed> {
    loop {
        let (byte, rest) = match line {
            [b'\\', b'\'', rest @ ..] => (b'\'', rest),
            [b'\'', rest @ ..] => return closed(rest),
            [byte, rest @ ..] => (*byte, rest),
            [] => return Err(Malformed::UnbalancedQuotes),
        };
        out.push(byte);
        line = rest;
    }
}

/// What follows a closing quote: a blank or the end of the line.
fn closed(rest: &[u8]) -> Result<&[u8], Malformed> {
    match rest {
        [byte, ..] if !is_space(*byte) => Err(Malformed::UnbalancedQuotes),
        _ => Ok(rest),
    }
}

/// What `\n` and its like stand for; any other byte stands for itself.
fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

/// The value of a hexadecimal digit.
fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a line, as an [`Inline`] finds them.
    fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
        let (mut inline, mut args) = (Inline::default(), Vec::new());
        let encoded = inline.encode(line, &mut args, &Limits::DEFAULT)?.to_vec();
        assert_eq!(encoded.is_empty(), args.is_empty());
        Ok(args.iter().map(|arg| encoded[arg.start as usize..(arg.start + arg.len) as usize].to_vec()).collect())
    }

    #[test]
    fn lines_that_are_words() {
        let cases: [(&[u8], &[&[u8]]); 14] = [
            (b"", &[]),
            (b" \t\r\x0b\x0c", &[]),
            (b"PING", &[b"PING"]),
            (b"  set  a\tb ", &[b"set", b"a", b"b"]),
            (b"a\rb", &[b"a", b"b"]),
            (b"a\x0bb", &[b"a\x0bb"]),
            (br#"set a "b c""#, &[b"set", b"a", b"b c"]),
            (br#""" ''"#, &[b"", b""]),
            (br#""\n\r\t\b\a\\\"\q""#, &[b"\n\r\t\x08\x07\\\"q"]),
            (br#""\x00\xfF\xg1\x""#, &[b"\x00\xffxg1x"]),
            (br#"'\n\'"\x41'"#, &[br#"\n'"\x41"#]),
            (br#"a"b c" d'e f'"#, &[b"ab c", b"de f"]),
            (br"a\nb\", &[br"a\nb\"]),
            (b"k\x00\xff", &[b"k\x00\xff"]),
        ];
        for (line, expected) in cases {
            assert_eq!(words(line).unwrap(), expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn unbalanced_quotes() {
        for line in
            [r#"""#, "'", r#"a "b"#, "a 'b", r#""a"b"#, "'a'b", r#""a\"#, r#""a\""#, r"'a\'", r#""a"'b'"#, r#""\x4"#]
        {
            assert_eq!(words(line.as_bytes()), Err(Malformed::UnbalancedQuotes), "{line}");
        }
    }

    #[test]
    fn the_array_holds_the_words() {
        let (mut inline, mut args) = (Inline::default(), Vec::new());
        inline.encode(b"old line", &mut args, &Limits::DEFAULT).unwrap();
        let encoded = inline.encode(br#"GET "a""#, &mut args, &Limits::DEFAULT).unwrap();
        assert_eq!(encoded, b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
        assert_eq!(args, [Arg { start: 8, len: 3 }, Arg { start: 17, len: 1 }]);
    }
}
