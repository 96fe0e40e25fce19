//! Whether an HTTP/1 client has sent more than the request that is being answered.
//!
//! A response with `Connection: close` ends the connection, and requests that were pipelined behind
//! it would go unanswered (RFC 9112, section 9.3.2). So a draining slot says it on the last one
//! only. hyper keeps its read buffer to itself; what can be seen are the bytes on their way to it:
//! this counts the ends of heads in them against the requests that came out.
//!
//! Pure: bytes and events in, an answer out.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::number::Number;

const HEAD_END: &[u8] = b"\r\n\r\n";

static HEAD: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(HEAD_END));

/// How long the request's body is, from its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// No body, or `Content-Length`.
    Known(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// The account of one HTTP/1 connection, since it was last known to have nothing unread.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Bytes read.
    bytes: Number,
    /// Of these, up to the end of the first head; 0 when there is none.
    first_head: Number,
    /// Ends of heads among them; bodies can feign some.
    heads: Number,
    /// Requests that came out.
    requests: Number,
    /// How much of [`HEAD_END`] the last read ended with.
    carry: Number,
    /// 1 when bytes came that belong to no request so far.
    fresh: Number,
}

impl Tally {
    /// Bytes were read from the connection.
    pub(crate) fn read(&self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        self.fresh.set(1);
        let mut end = 0;
        if let Some(rest) = split_end(self.carry.get(), data) {
            self.head_ends_at(rest);
            end = rest;
        }
        // Most requests end where the read does: then there is no second search.
        while end < data.len()
            && let Some(at) = HEAD.find(&data[end..])
        {
            end += at + HEAD_END.len();
            self.head_ends_at(end);
        }
        let before = if end > 0 { 0 } else { self.carry.get() };
        self.carry.set(carried(before, &data[end..]));
        self.bytes.set(self.bytes.get() + data.len() as u64);
    }

    fn head_ends_at(&self, offset: usize) {
        self.heads.set(self.heads.get() + 1);
        if self.first_head.get() == 0 {
            self.first_head.set(self.bytes.get() + offset as u64);
        }
    }

    /// Whether more than one request was read that has not come out.
    #[cfg(feature = "actix")]
    pub(crate) fn several_wait(&self) -> bool {
        self.heads.get() > self.requests.get() + 1
    }

    /// A request came out of the bytes.
    pub(crate) fn request(&self) {
        self.requests.set(self.requests.get() + 1);
        self.fresh.set(0);
    }

    /// Its response ended.
    pub(crate) fn answered(&self) {
        self.fresh.set(0);
    }

    /// The reader wants bytes, there are none, and no request is being answered.
    pub(crate) fn starved(&self) {
        for number in [&self.bytes, &self.first_head, &self.heads, &self.requests] {
            number.set(0);
        }
    }

    /// Whether a part of a next request has come in while none is being answered.
    pub(crate) fn has_part_of_a_request(&self) -> bool {
        self.fresh.get() != 0
    }

    /// Whether exactly one request came out, and nothing more is behind it.
    #[cfg(feature = "axum")]
    pub(crate) fn is_alone(&self, body: BodyLength) -> bool {
        self.requests.get() == 1 && body != BodyLength::Chunked && !self.more_behind(body)
    }

    /// Whether another request was read behind the latest one, whose body has this length.
    ///
    /// Exact for a first request since [`starved`](Tally::starved), and behind it as long as
    /// no body looks like heads; one that does may cost the word "close" on the last response, and
    /// the connection then ends by its idle window. Behind further bodies the answer is no: the
    /// client is told to close, and may repeat what it piped.
    pub(crate) fn more_behind(&self, body: BodyLength) -> bool {
        let (requests, head) = (self.requests.get(), self.first_head.get());
        match body {
            BodyLength::Chunked => false,
            BodyLength::Known(length) if requests == 1 && head > 0 => {
                self.bytes.get() - head > length
            }
            BodyLength::Known(0) => self.heads.get() > requests,
            BodyLength::Known(_) => false,
        }
    }
}

/// A response of known length that is on its way out, seen by the I/O object: where the server around
/// it is not ours, this tells its end without a wrapper around the body, which would be one
/// allocation for each. Written by the connection's own task alone.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// 1 and the bytes of the body that are still to be written; 0 when nothing is awaited.
    owed: Number,
    /// 1 when the head is out.
    in_body: Number,
    /// How much of [`HEAD_END`] the last write ended with.
    carry: Number,
}

impl Outgoing {
    /// A head and a body of this length will be written.
    #[cfg(any(test, feature = "axum"))]
    pub(crate) fn owe(&self, length: u64) {
        self.owed.set(1 + length);
        self.in_body.set(0);
        self.carry.set(0);
    }

    pub(crate) fn is_owed(&self) -> bool {
        self.owed.get() > 0
    }

    /// Awaits nothing any more.
    pub(crate) fn forgive(&self) {
        self.owed.set(0);
    }

    /// Bytes were written; says whether the response ended with them.
    pub(crate) fn wrote(&self, data: &[u8]) -> bool {
        let mut body = data;
        if self.in_body.get() == 0 {
            let end = split_end(self.carry.get(), data)
                .or_else(|| Some(HEAD.find(data)? + HEAD_END.len()));
            let Some(end) = end else {
                self.carry.set(carried(self.carry.get(), data));
                return false;
            };
            self.in_body.set(1);
            body = &data[end..];
        }
        let left = self.owed.get().saturating_sub(body.len() as u64);
        let ended = left <= 1;
        self.owed.set(if ended { 0 } else { left });
        ended
    }
}

/// The length of the part in `data` of a head's end of which `carry` bytes were there before.
fn split_end(carry: u64, data: &[u8]) -> Option<usize> {
    let rest = &HEAD_END[carry as usize..];
    (carry > 0 && data.starts_with(rest)).then_some(rest.len())
}

/// How much of [`HEAD_END`] the bytes end with, after some that ended with `before` of it.
fn carried(before: u64, data: &[u8]) -> u64 {
    if data.is_empty() {
        return before;
    }
    let before = before as usize;
    for length in (1..HEAD_END.len()).rev() {
        let wanted = &HEAD_END[..length];
        if data.ends_with(wanted) {
            return length as u64;
        }
        // A short piece that only continues what was carried.
        if data.len() < length && before == length - data.len() && wanted[before..] == *data {
            return length as u64;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    fn post(body: &str) -> String {
        format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    /// Feeds `text` in pieces, one request out, and asks about a body of `length`.
    #[track_caller]
    fn check(text: &str, length: u64, expected: bool) {
        for piece in 1..=text.len() {
            let tally = Tally::default();
            text.as_bytes().chunks(piece).for_each(|c| tally.read(c));
            tally.request();
            assert_eq!(
                tally.more_behind(BodyLength::Known(length)),
                expected,
                "{piece} of {text:?}"
            );
        }
    }

    #[test]
    fn one_request_or_more() {
        check(GET, 0, false);
        check(&format!("{GET}{GET}"), 0, true);
        check(&format!("{GET}GE"), 0, true);
        check(&post("12345"), 5, false);
        check(&post("a\r\n\r\nb\r\n\r\n"), 10, false);
        check(&format!("{}{GET}", post("12345")), 5, true);
        check(&format!("{}{GET}", post("a\r\n\r\nb")), 6, true);
    }

    #[test]
    fn a_body_that_feigns_heads_is_forgotten_when_the_reader_starves() {
        let tally = Tally::default();
        tally.read(post("\r\n\r\n\r\n\r\n").as_bytes());
        tally.request();
        tally.answered();
        tally.starved();
        tally.read(GET.as_bytes());
        tally.request();
        assert!(!tally.more_behind(BodyLength::Known(0)));
    }

    #[test]
    fn a_part_of_a_request_is_seen() {
        let tally = Tally::default();
        assert!(!tally.has_part_of_a_request());
        tally.read(b"GET /");
        tally.starved();
        assert!(tally.has_part_of_a_request());
        tally.read(b" HTTP/1.1\r\n\r\n");
        tally.request();
        tally.answered();
        assert!(!tally.has_part_of_a_request());
    }

    proptest! {
        #[test]
        fn a_response_ends_with_its_last_byte(body in 0u64..40, piece in 1usize..80) {
            let text = format!("HTTP/1.1 200 OK\r\nA: b\r\n\r\n{}", "\r\n".repeat(20));
            let whole = text.len() - 40 + body as usize;
            let out = Outgoing::default();
            out.owe(body);
            let mut written = 0;
            for part in text.as_bytes()[..whole].chunks(piece) {
                prop_assert!(out.is_owed());
                written += part.len();
                prop_assert_eq!(out.wrote(part), written == whole);
            }
            prop_assert!(!out.is_owed());
        }

        #[test]
        fn pipelined_requests_all_but_the_last_have_more(count in 1usize..20, piece in 1usize..80) {
            let text = GET.repeat(count);
            let tally = Tally::default();
            text.as_bytes().chunks(piece).for_each(|c| tally.read(c));
            for nth in 1..=count {
                tally.request();
                prop_assert_eq!(tally.more_behind(BodyLength::Known(0)), nth < count);
                tally.answered();
            }
        }

        #[test]
        fn any_bytes_in_any_pieces_count_alike(data in "[\r\na]{0,40}", piece in 1usize..9) {
            let (whole, parts) = (Tally::default(), Tally::default());
            whole.read(data.as_bytes());
            data.as_bytes().chunks(piece).for_each(|c| parts.read(c));
            let numbers = |tally: &Tally| {
                [&tally.first_head, &tally.heads, &tally.carry].map(Number::get)
            };
            prop_assert_eq!(numbers(&whole), numbers(&parts));
        }
    }
}
