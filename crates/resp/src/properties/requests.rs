use proptest::{collection::vec, prelude::*};

use super::{Asked, cuts, payload, requests, same_however_cut};
use crate::{Limits, request, write};

/// How a request is written down.
#[derive(Clone, Debug)]
enum Form {
    /// An array of bulk strings.
    Array(Vec<Vec<u8>>),
    /// A line of words, each in double quotes; ended by LF alone, or by CRLF.
    Quoted(Vec<Vec<u8>>, bool),
    /// A line of words without quotes.
    Bare(Vec<String>, bool),
    /// Bytes that ask for nothing.
    Nothing(&'static str),
}

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![
        4 => vec(payload(), 1..6).prop_map(Form::Array),
        1 => (vec(payload(), 1..5), any::<bool>()).prop_map(|(words, crlf)| Form::Quoted(words, crlf)),
        1 => (vec("[a-zA-Z0-9{}:_.-]{1,8}", 1..5), any::<bool>()).prop_map(|(words, crlf)| Form::Bare(words, crlf)),
        1 => prop::sample::select(vec!["\r\n", "\n", " \t \r\n", "*0\r\n", "*-1\r\n"]).prop_map(Form::Nothing),
    ]
}

impl Form {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Array(words) => write::command(out, &words.iter().map(Vec::as_slice).collect::<Vec<_>>()),
            Self::Quoted(words, crlf) => {
                for word in words {
                    out.push(b'"');
                    for byte in word {
                        out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
                    }
                    out.extend_from_slice(b"\" ");
                }
                out.extend_from_slice(if *crlf { b"\r\n" } else { b"\n" });
            }
            Self::Bare(words, crlf) => {
                out.extend_from_slice(words.join(" ").as_bytes());
                out.extend_from_slice(if *crlf { b"\r\n" } else { b"\n" });
            }
            Self::Nothing(text) => out.extend_from_slice(text.as_bytes()),
        }
    }

    fn asked(&self) -> Asked {
        match self {
            Self::Array(words) | Self::Quoted(words, _) => Some(words.clone()),
            Self::Bare(words, _) => Some(words.iter().map(|word| word.as_bytes().to_vec()).collect()),
            Self::Nothing(_) => None,
        }
    }
}

proptest! {
    #[test]
    fn pipelined_requests_are_the_same_however_cut(forms in vec(form(), 1..6), cuts in cuts()) {
        let mut bytes = Vec::new();
        forms.iter().for_each(|form| form.encode(&mut bytes));
        let expected: Vec<Asked> = forms.iter().map(Form::asked).collect();
        let (asked, taken, malformed) = same_however_cut(&bytes, &cuts, |pieces| requests(pieces, &Limits::DEFAULT));
        prop_assert_eq!(asked, expected);
        prop_assert_eq!((taken, malformed), (bytes.len(), None));
    }

    #[test]
    fn arguments_survive_the_way_there_and_back(words in vec(payload(), 1..20)) {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut bytes = Vec::new();
        write::command(&mut bytes, &words);
        let mut scan = request::Scan::default();
        let Ok(request::Step::Whole { request, consumed, .. }) = scan.next(&bytes, &Limits::DEFAULT) else { panic!() };
        prop_assert_eq!((consumed, request.bytes), (bytes.len(), &bytes[..]));
        prop_assert_eq!((0..request.len()).map(|i| request.get(i).unwrap()).collect::<Vec<_>>(), words);
    }

    #[test]
    fn an_inline_request_becomes_the_array_of_its_words(words in vec(payload(), 1..6)) {
        let (mut inline, mut array) = (Vec::new(), Vec::new());
        Form::Quoted(words.clone(), true).encode(&mut inline);
        Form::Array(words).encode(&mut array);
        let mut scan = request::Scan::default();
        let Ok(request::Step::Whole { request, consumed, .. }) = scan.next(&inline, &Limits::DEFAULT) else { panic!() };
        prop_assert_eq!((consumed, request.bytes), (inline.len(), &array[..]));
    }
}

#[test]
fn sizes_around_a_buffer_s_end() {
    const BUFFER: usize = 16 << 10;
    for size in (BUFFER - 40..=BUFFER + 4).chain(2 * BUFFER - 32..=2 * BUFFER + 2) {
        let value = vec![b'v'; size];
        let mut bytes = Vec::new();
        write::command(&mut bytes, &[b"SET", b"k", &value]);
        write::command(&mut bytes, &[b"GET", b"k"]);
        let pieces: Vec<&[u8]> = bytes.chunks(BUFFER).collect();
        let (asked, taken, malformed) = requests(&pieces, &Limits::DEFAULT);
        assert_eq!((taken, malformed), (bytes.len(), None), "{size}");
        assert_eq!(asked[0].as_ref().unwrap()[2].len(), size);
        assert_eq!(asked[1], Some(vec![b"GET".to_vec(), b"k".to_vec()]));
    }
}
