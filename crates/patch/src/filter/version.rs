//! `match.proxy.proxyVersion`: a regular expression of Go (RE2), searched for anywhere in the version.

use regex::Regex;
use regex_syntax::ast::{self, ErrorKind, parse::Parser};

/// Longer expressions match no proxy.
const LONGEST: usize = 1024;

/// Which versions are meant.
#[derive(Clone, Debug)]
pub struct VersionMatch {
    /// As written.
    pub text: String,
    /// Nothing for one that is too long.
    pattern: Option<Regex>,
}

impl VersionMatch {
    /// The expression `text`.
    ///
    /// # Errors
    /// What is wrong with it, in the words of Go.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Ok(Self { text: text.to_owned(), pattern: None });
        }
        if let Some(nested) = nested_repetition(text) {
            return Err(format!("error parsing regexp: invalid nested repetition operator: `{nested}`"));
        }
        Parser::new().parse(text).map_err(|error| format!("error parsing regexp: {}", in_go(&error, text)))?;
        let pattern = Regex::new(text).map_err(|error| format!("error parsing regexp: {error}"))?;
        Ok(Self { text: text.to_owned(), pattern: Some(pattern) })
    }

    /// Whether it is longer than istiod takes, and so matches nothing.
    pub fn is_too_long(&self) -> bool {
        self.pattern.is_none()
    }

    /// Whether `version` is meant; an unknown version is not.
    pub fn matches(&self, version: &str) -> bool {
        !version.is_empty() && self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(version))
    }
}

fn in_go(error: &ast::Error, text: &str) -> String {
    let span = error.span();
    let here = text.get(span.start.offset..span.end.offset).unwrap_or("");
    match error.kind() {
        ErrorKind::GroupUnclosed => format!("missing closing ): `{text}`"),
        ErrorKind::GroupUnopened => format!("unexpected ): `{text}`"),
        ErrorKind::ClassUnclosed => format!("missing closing ]: `{}`", text.get(span.start.offset..).unwrap_or("")),
        ErrorKind::RepetitionMissing => {
            let operator = text.get(span.start.offset..).and_then(|rest| rest.chars().next()).map(String::from);
            format!("missing argument to repetition operator: `{}`", operator.unwrap_or_default())
        }
        ErrorKind::RepetitionCountInvalid => format!("invalid repeat count: `{here}`"),
        ErrorKind::EscapeUnexpectedEof => "trailing backslash at end of expression: ``".to_owned(),
        ErrorKind::EscapeUnrecognized => format!("invalid escape sequence: `{here}`"),
        ErrorKind::ClassRangeInvalid => format!("invalid character class range: `{here}`"),
        ErrorKind::UnsupportedLookAround => format!("invalid or unsupported Perl syntax: `{here}`"),
        other => format!("{other}: `{here}`"),
    }
}

/// Two repetitions on one another, which Go refuses and other readers do not.
fn nested_repetition(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let (mut escaped, mut in_class, mut since) = (false, false, None);
    for (at, byte) in bytes.iter().enumerate() {
        let is_repetition = b"*+?".contains(byte) && !escaped && !in_class;
        match since {
            // `x*?` is one lazy repetition.
            Some(start) if is_repetition && !(*byte == b'?' && at == start + 1) => return text.get(start..=at),
            Some(_) if is_repetition => {}
            _ => since = is_repetition.then_some(at).filter(|at| *at > 0),
        }
        in_class = !escaped && (in_class && *byte != b']' || *byte == b'[');
        escaped = *byte == b'\\' && !escaped;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::VersionMatch;

    #[test]
    fn versions_are_searched_for() {
        let prefix = VersionMatch::new(r"^1\.19.*").unwrap();
        for (version, expected) in
            [("1.19", true), ("1.19.0", true), ("1.19-dev.foo", true), ("1.5", false), ("11.19", false), ("", false)]
        {
            assert_eq!(prefix.matches(version), expected, "{version}");
        }
        let anywhere = VersionMatch::new(r"1\.19.*").unwrap();
        assert!(anywhere.matches("11.19") && anywhere.matches("foo1.19"));
        let long = VersionMatch::new(&"a{100}".repeat(200)).unwrap();
        assert!(long.is_too_long() && !long.matches("a"));
        assert!(VersionMatch::new(r"release-1\.2-23434").is_ok());
    }

    #[test]
    fn what_is_wrong_is_told_in_the_words_of_go() {
        for (text, told) in [
            ("1.(.*", "missing closing ): `1.(.*`"),
            ("%#@~++==", "invalid nested repetition operator: `++`"),
            ("a)", "unexpected ): `a)`"),
            ("[a", "missing closing ]: `[a`"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a\\", "trailing backslash at end of expression: ``"),
        ] {
            assert_eq!(VersionMatch::new(text).unwrap_err(), format!("error parsing regexp: {told}"));
        }
        assert!(VersionMatch::new("a*?b+?[*+]\\++").is_ok());
    }
}
