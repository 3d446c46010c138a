//! `key_formatter`: how a key is rewritten. Parsed at load, where Envoy parses it again for every key of every request.

use super::reader::Reader;
use meant::{KeyFormat, KeyPart};

/// The format of a route; an empty one is none.
pub(super) fn key_format(route: &Reader<'_>) -> Option<KeyFormat> {
    let written = route.text("key_formatter");
    if written.is_empty() {
        return None;
    }
    parse(&written).map_err(|text| route.wrong("key_formatter", text)).ok()
}

/// Envoy loads a format with operators that it does not know and leaves them in the key; here they are refused.
fn parse(written: &str) -> Result<KeyFormat, String> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    let mut rest = written;
    while let Some((before, after)) = rest.split_once('%') {
        text.extend_from_slice(before.as_bytes());
        let (operator, behind) = after.split_once('%').ok_or("a single `%` stands for nothing: write `%%`")?;
        rest = behind;
        match operator {
            "" => text.push(b'%'),
            "KEY" => {
                flush(&mut text, &mut parts);
                parts.push(KeyPart::Key);
            }
            other => return Err(format!("`%{other}%` is not known: use `%KEY%` for the key and `%%` for a `%`")),
        }
    }
    text.extend_from_slice(rest.as_bytes());
    flush(&mut text, &mut parts);
    Ok(KeyFormat { parts })
}

fn flush(text: &mut Vec<u8>, parts: &mut Vec<KeyPart>) {
    if !text.is_empty() {
        parts.push(KeyPart::Text(std::mem::take(text)));
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use meant::KeyPart::{Key, Text};

    #[test]
    fn keys_and_text() {
        let text = |text: &str| Text(text.as_bytes().to_vec());
        assert_eq!(parse("%KEY%").unwrap().parts, [Key]);
        assert_eq!(parse("x-%KEY%-y").unwrap().parts, [text("x-"), Key, text("-y")]);
        assert_eq!(parse("100%%:{%KEY%%KEY%}").unwrap().parts, [text("100%:{"), Key, Key, text("}")]);
        assert_eq!(parse("same").unwrap().parts, [text("same")]);
    }

    #[test]
    fn unknown_operators_are_refused() {
        assert!(parse("%BAD%").unwrap_err().contains("`%BAD%` is not known"));
        assert!(parse("%KEY(1)%").is_err());
        assert!(parse("50%").unwrap_err().contains("write `%%`"));
        assert!(parse("%KEY%%").is_err());
    }
}
