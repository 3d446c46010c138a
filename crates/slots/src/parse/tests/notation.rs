//! A short notation for replies: `[…]` a list, `{…}` a map, `nil`, numbers, and texts (quoted where they must be).
//! A missing closing bracket is closed at the end, a surplus one is passed over.

/// The reply as RESP2: a map is a flat list.
pub(super) fn resp2(text: &str) -> Vec<u8> {
    encode(text, false)
}

/// The reply as RESP3.
pub(super) fn resp3(text: &str) -> Vec<u8> {
    encode(text, true)
}

fn encode(text: &str, resp3: bool) -> Vec<u8> {
    let spaced = text.replace('{', " { ").replace('}', " } ");
    let spaced: String = brackets(&spaced);
    let mut open: Vec<(bool, usize, Vec<u8>)> = vec![(false, 0, Vec::new())];
    let mut words = spaced.split_whitespace();
    loop {
        match words.next() {
            Some("[") => open.push((false, 0, Vec::new())),
            Some("{") => open.push((true, 0, Vec::new())),
            Some("]" | "}") => close(&mut open, resp3),
            Some(word) => add(&mut open, &scalar(word, resp3)),
            None if open.len() > 1 => close(&mut open, resp3),
            None => break,
        }
    }
    open.swap_remove(0).2
}

/// Sets brackets apart, except inside quotes.
fn brackets(text: &str) -> String {
    let mut quoted = false;
    let mut out = String::new();
    for c in text.chars() {
        quoted ^= c == '"';
        match c {
            '[' | ']' if !quoted => out.extend([' ', c, ' ']),
            c => out.push(c),
        }
    }
    out
}

fn add(open: &mut [(bool, usize, Vec<u8>)], bytes: &[u8]) {
    let (_, count, out) = open.last_mut().unwrap();
    *count += 1;
    out.extend_from_slice(bytes);
}

fn close(open: &mut Vec<(bool, usize, Vec<u8>)>, resp3: bool) {
    if open.len() < 2 {
        return;
    }
    let (map, count, inside) = open.pop().unwrap();
    let head = if map && resp3 && count % 2 == 0 { format!("%{}\r\n", count / 2) } else { format!("*{count}\r\n") };
    add(open, &[head.as_bytes(), &inside].concat());
}

fn scalar(word: &str, resp3: bool) -> Vec<u8> {
    if word == "nil" {
        return if resp3 { b"_\r\n".to_vec() } else { b"$-1\r\n".to_vec() };
    }
    if word.parse::<i64>().is_ok() {
        return format!(":{word}\r\n").into_bytes();
    }
    let bare = word.trim_matches('"');
    format!("${}\r\n{bare}\r\n", bare.len()).into_bytes()
}
