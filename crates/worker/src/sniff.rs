//! What the first bytes of a connection tell, without being taken: is it TLS, and for whom; is it plain HTTP.
//!
//! Redis is never held up: the first byte of a command tells that it is neither, unless it is an inline command that
//! begins like an HTTP method (`GET key`), which its first line tells.

/// How many bytes are looked at; what has not shown itself by then is neither TLS nor HTTP.
pub const MOST: usize = 16 << 10;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sniffed {
    /// Whether it is TLS.
    pub tls: bool,
    /// The server name that TLS asks for, lower case; may be empty.
    pub server_name: String,
    /// The application protocols that TLS offers, or the one that HTTP speaks: `http/1.0`, `http/1.1` or `h2c`.
    pub protocols: Vec<String>,
}

impl Sniffed {
    /// Envoy's name of the transport.
    pub fn transport(&self) -> &'static str {
        if self.tls { "tls" } else { "raw_buffer" }
    }
}

/// What the first bytes tell, where TLS or HTTP or both are looked for; `None` as long as more bytes may change it.
pub fn sniff(bytes: &[u8], tls: bool, http: bool) -> Option<Sniffed> {
    let full = bytes.len() >= MOST;
    let bytes = &bytes[..bytes.len().min(MOST)];
    if tls {
        match hello(bytes) {
            Look::Found(found) => return Some(found),
            Look::More if !full => return None,
            Look::More | Look::Nothing => {}
        }
    }
    if http {
        match request(bytes) {
            Look::Found(protocol) => return Some(Sniffed { protocols: vec![protocol.into()], ..Sniffed::default() }),
            Look::More if !full => return None,
            Look::More | Look::Nothing => {}
        }
    }
    // Before the first byte nothing is known, but that nothing is looked for.
    (!bytes.is_empty() || !(tls || http)).then(Sniffed::default)
}

enum Look<T> {
    Found(T),
    More,
    Nothing,
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// A ClientHello (RFC 8446, 4.1.2; TLS 1.0 to 1.2 look the same), which may come in several records.
fn hello(bytes: &[u8]) -> Look<Sniffed> {
    let (mut rest, mut message) = (bytes, Vec::new());
    loop {
        match record(&mut rest) {
            Look::Found(fragment) => message.extend_from_slice(fragment),
            Look::Nothing => return Look::Nothing,
            Look::More => {
                message.extend_from_slice(rest.get(5..).unwrap_or_default());
                return if begins_hello(&message) { Look::More } else { Look::Nothing };
            }
        }
        if !begins_hello(&message) {
            return Look::Nothing;
        }
        if let [_, high, middle, low, body @ ..] = message.as_slice() {
            let len = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
            if let Some(body) = body.get(..len) {
                return names(body).map_or(Look::Nothing, Look::Found);
            }
        }
    }
}

/// Whether what there is of a message can become a ClientHello of no more than [`MOST`] bytes.
fn begins_hello(message: &[u8]) -> bool {
    match message {
        [] => true,
        [kind, rest @ ..] => *kind == CLIENT_HELLO && rest.first().is_none_or(|high| *high == 0),
    }
}

/// Takes a record off; a part of one is left where it is.
fn record<'a>(rest: &mut &'a [u8]) -> Look<&'a [u8]> {
    let fits = |at: usize, fits: &dyn Fn(u8) -> bool| rest.get(at).is_none_or(|byte| fits(*byte));
    if !(fits(0, &|kind| kind == HANDSHAKE) && fits(1, &|major| major == 3) && fits(2, &|minor| minor <= 4)) {
        return Look::Nothing;
    }
    let [_, _, _, high, low, body @ ..] = *rest else { return Look::More };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    if len == 0 || len > MOST {
        return Look::Nothing;
    }
    match body.split_at_checked(len) {
        Some((fragment, after)) => {
            *rest = after;
            Look::Found(fragment)
        }
        None => Look::More,
    }
}

/// Takes a list off whose length is written in its first `width` bytes.
fn list<'a>(rest: &mut &'a [u8], width: usize) -> Option<&'a [u8]> {
    let (len, after) = rest.split_at_checked(width)?;
    let len = len.iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
    let (list, after) = after.split_at_checked(len)?;
    *rest = after;
    Some(list)
}

/// The names in a ClientHello's body; `None` if it is none.
fn names(body: &[u8]) -> Option<Sniffed> {
    const VERSION_AND_RANDOM: usize = 34;
    let mut rest = body.get(VERSION_AND_RANDOM..)?;
    list(&mut rest, 1)?; // session
    list(&mut rest, 2)?; // cipher suites
    list(&mut rest, 1)?; // compression
    let mut found = Sniffed { tls: true, ..Sniffed::default() };
    if rest.is_empty() {
        return Some(found);
    }
    let mut extensions = list(&mut rest, 2)?;
    while !extensions.is_empty() {
        let (kind, after) = extensions.split_at_checked(2)?;
        extensions = after;
        let mut content = list(&mut extensions, 2)?;
        match kind {
            [0, 0] => found.server_name = server_name(list(&mut content, 2)?)?,
            [0, 16] => found.protocols = protocols(list(&mut content, 2)?)?,
            _ => {}
        }
    }
    Some(found)
}

/// The first host name of the list (RFC 6066, 3).
fn server_name(mut names: &[u8]) -> Option<String> {
    while let Some((kind, after)) = names.split_first() {
        names = after;
        let name = list(&mut names, 2)?;
        if *kind == 0 {
            return Some(std::str::from_utf8(name).unwrap_or_default().to_ascii_lowercase());
        }
    }
    Some(String::new())
}

fn protocols(mut names: &[u8]) -> Option<Vec<String>> {
    let mut found = Vec::new();
    while !names.is_empty() {
        found.push(String::from_utf8_lossy(list(&mut names, 1)?).into_owned());
    }
    Some(found)
}

/// What HTTP/2 begins with, in the clear (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The methods of the registry that proxies know.
const METHODS: [&[u8]; 36] = [
    b"ACL",
    b"BIND",
    b"CHECKOUT",
    b"CONNECT",
    b"COPY",
    b"DELETE",
    b"GET",
    b"HEAD",
    b"LINK",
    b"LOCK",
    b"M-SEARCH",
    b"MERGE",
    b"MKACTIVITY",
    b"MKCALENDAR",
    b"MKCOL",
    b"MOVE",
    b"NOTIFY",
    b"OPTIONS",
    b"PATCH",
    b"POST",
    b"PROPFIND",
    b"PROPPATCH",
    b"PURGE",
    b"PUT",
    b"QUERY",
    b"REBIND",
    b"REPORT",
    b"SEARCH",
    b"SOURCE",
    b"SUBSCRIBE",
    b"TRACE",
    b"UNBIND",
    b"UNLINK",
    b"UNLOCK",
    b"UNSUBSCRIBE",
    b"VERSION-CONTROL",
];

/// The first line of a request: a method, something, and the version. Redis's inline commands have no version.
fn request(bytes: &[u8]) -> Look<&'static str> {
    if PREFACE.starts_with(bytes) {
        return if bytes.len() == PREFACE.len() { Look::Found("h2c") } else { Look::More };
    }
    if bytes.starts_with(PREFACE) {
        return Look::Found("h2c");
    }
    let end = bytes.iter().position(|byte| [b' ', b'\r', b'\n'].contains(byte));
    let method = &bytes[..end.unwrap_or(bytes.len())];
    if end.is_none() {
        return if METHODS.iter().any(|known| known.starts_with(method)) { Look::More } else { Look::Nothing };
    }
    if !METHODS.contains(&method) {
        return Look::Nothing;
    }
    let Some(line) = bytes.split(|byte| *byte == b'\n').next().filter(|line| line.len() < bytes.len()) else {
        return Look::More;
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.rsplit(|byte| *byte == b' ').next() {
        Some(b"HTTP/1.1") => Look::Found("http/1.1"),
        Some(b"HTTP/1.0") => Look::Found("http/1.0"),
        _ => Look::Nothing,
    }
}

#[cfg(test)]
mod tests;
