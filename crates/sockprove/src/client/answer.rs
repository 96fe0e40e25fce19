//! Answers of HTTP/1.1 (RFC 9112) out of bytes.

use std::borrow::Cow;

use httparse::{EMPTY_HEADER, Header, Response, Status};

/// The most of an answer that is read.
pub(crate) const LIMIT: usize = 64 << 20;

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: Cow<'a, [u8]>,
    /// How many of the bytes it is.
    pub(crate) length: usize,
    /// Whether the server closes the connection behind it.
    pub(crate) close: bool,
    /// Whether nothing but that tells where it ends.
    pub(crate) until_close: bool,
}

/// Where a body ends (section 6.3).
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

/// The answer that the bytes begin with; none as long as it is not whole, which only the connection's end can make of some.
pub(crate) fn parse(bytes: &[u8], ended: bool) -> Result<Option<Answer<'_>>, String> {
    let mut headers = [EMPTY_HEADER; 128];
    let mut response = Response::new(&mut headers);
    let Status::Complete(head) = response.parse(bytes).map_err(|e| e.to_string())? else {
        return Ok(None);
    };
    let status = response.code.unwrap_or_default();
    if status < 200 && status != 101 {
        // An interim answer: the one that counts follows (RFC 9110, section 15.2).
        let rest = parse(&bytes[head..], ended)?;
        return Ok(rest.map(|answer| Answer { length: answer.length + head, ..answer }));
    }
    let framing = framing(status, response.headers)?;
    let until_close = matches!(framing, Framing::UntilClose);
    let close = closes(response.version, response.headers) || until_close;
    let rest = &bytes[head..];
    let (body, length) = match framing {
        Framing::Length(length) => {
            let Some(body) = rest.get(..length) else { return Ok(None) };
            (Cow::Borrowed(body), length)
        }
        Framing::Chunked => {
            let Some((body, length)) = chunks(rest)? else { return Ok(None) };
            (Cow::Owned(body), length)
        }
        Framing::UntilClose if !ended => return Ok(None),
        Framing::UntilClose => (Cow::Borrowed(rest), rest.len()),
    };
    Ok(Some(Answer { status, body, length: head + length, close, until_close }))
}

fn framing(status: u16, headers: &[Header<'_>]) -> Result<Framing, String> {
    if matches!(status, 101 | 204 | 304) {
        return Ok(Framing::Length(0));
    }
    if has_word(headers, "transfer-encoding", "chunked") {
        return Ok(Framing::Chunked);
    }
    let Some(length) = values(headers, "content-length").next() else {
        return Ok(Framing::UntilClose);
    };
    let length = length.parse().ok().filter(|length| *length <= LIMIT);
    length.map(Framing::Length).ok_or_else(|| "a Content-Length that is no size".into())
}

fn closes(version: Option<u8>, headers: &[Header<'_>]) -> bool {
    match version {
        Some(0) => !has_word(headers, "connection", "keep-alive"),
        _ => has_word(headers, "connection", "close"),
    }
}

fn values<'a>(headers: &'a [Header<'_>], name: &'a str) -> impl Iterator<Item = &'a str> {
    let named = headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    // What is not text is none of the words that are looked for.
    named.map(|header| str::from_utf8(header.value).unwrap_or_default().trim())
}

fn has_word(headers: &[Header<'_>], name: &str, word: &str) -> bool {
    values(headers, name)
        .flat_map(|value| value.split(','))
        .any(|found| found.trim().eq_ignore_ascii_case(word))
}

/// A chunked body (section 7.1) and how many bytes it took.
fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let size = httparse::parse_chunk_size(&bytes[at..]);
        let Status::Complete((line, size)) = size.map_err(|_| "a chunk without a size")? else {
            return Ok(None);
        };
        let size = usize::try_from(size).ok().filter(|size| *size <= LIMIT);
        let size = size.ok_or("a chunk that is too long")?;
        at += line;
        if size == 0 {
            let mut trailers = [EMPTY_HEADER; 64];
            let parsed = httparse::parse_headers(&bytes[at..], &mut trailers);
            let Status::Complete((length, _)) = parsed.map_err(|e| e.to_string())? else {
                return Ok(None);
            };
            return Ok(Some((body, at + length)));
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
        let Some(data) = chunk.strip_suffix(b"\r\n") else {
            return Err("a chunk without an end".into());
        };
        body.extend_from_slice(data);
        at += chunk.len();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, ended: bool, expected: Option<(u16, &str, bool)>) {
        let found = parse(text.as_bytes(), ended).unwrap();
        let found =
            found.map(|a| (a.status, String::from_utf8(a.body.into_owned()).unwrap(), a.close));
        assert_eq!(found, expected.map(|(status, body, close)| (status, body.to_owned(), close)));
    }

    #[test]
    fn bodies_end_where_the_standard_says() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", false, Some((200, "hi", false)));
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", true, None);
        check("HTTP/1.1 204 -\r\nConnection: x, Close\r\n\r\n", false, Some((204, "", true)));
        check("HTTP/1.1 200 OK\r\n\r\nhi", false, None);
        check("HTTP/1.1 200 OK\r\n\r\nhi", true, Some((200, "hi", true)));
        check("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, Some((200, "", true)));
        let chunked =
            "HTTP/1.1 503 -\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nhi\r\n1\r\n!\r\n0\r\n\r\n";
        check(chunked, false, Some((503, "hi!", false)));
        check(&chunked[..chunked.len() - 2], false, None);
        let interim =
            "HTTP/1.1 103 -\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        check(interim, false, Some((200, "", false)));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        assert!(parse(b"SSH-2.0-x\r\n\r\n", false).is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false).is_err());
        assert!(
            parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", false).is_err()
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, ended: bool) {
            let _ = parse(&bytes, ended);
            let chunked = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", bytes.as_slice()].concat();
            let _ = parse(&chunked, ended);
        }

        #[test]
        fn an_answer_is_whole_at_its_last_byte(body in "[a-z]{0,300}") {
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            for cut in 0..text.len() {
                prop_assert_eq!(parse(&text.as_bytes()[..cut], false).unwrap(), None);
            }
            let answer = parse(text.as_bytes(), false).unwrap().unwrap();
            prop_assert_eq!((answer.length, &*answer.body), (text.len(), body.as_bytes()));
        }
    }
}
