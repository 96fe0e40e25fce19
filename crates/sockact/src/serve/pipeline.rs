//! Whether an HTTP/1 client has sent more than the request that is being answered.
//!
//! A response with `Connection: close` ends the connection, and requests that were pipelined behind
//! it would go unanswered (RFC 9112, section 9.3.2). So a draining slot says it on the last one
//! only. hyper keeps its read buffer to itself; what can be seen are the bytes on their way to it:
//! this counts the ends of heads in them against the requests that came out.
//!
//! Pure: bytes and events in, an answer out.

use memchr::memmem;

const HEAD_END: &[u8] = b"\r\n\r\n";

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
    bytes: u64,
    /// Of these, up to the end of the first head.
    first_head: Option<u64>,
    /// Ends of heads among them; bodies can feign some.
    heads: u64,
    /// Requests that came out.
    requests: u64,
    /// How much of [`HEAD_END`] the last read ended with.
    carry: usize,
    /// Bytes came that belong to no request so far.
    fresh: bool,
}

impl Tally {
    /// Bytes were read from the connection.
    pub(crate) fn read(&mut self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        self.fresh = true;
        let mut end = 0;
        if let Some(rest) = self.split_end(data) {
            self.head_ends_at(rest);
            end = rest;
        }
        let searched = end;
        for at in memmem::find_iter(&data[searched..], HEAD_END) {
            end = searched + at + HEAD_END.len();
            self.head_ends_at(end);
        }
        self.carry = if end > 0 { carried(0, &data[end..]) } else { carried(self.carry, data) };
        self.bytes += data.len() as u64;
    }

    /// The length of the part in `data` of a head's end that began in the read before.
    fn split_end(&self, data: &[u8]) -> Option<usize> {
        let rest = &HEAD_END[self.carry..];
        (self.carry > 0 && data.starts_with(rest)).then_some(rest.len())
    }

    fn head_ends_at(&mut self, offset: usize) {
        self.heads += 1;
        self.first_head.get_or_insert(self.bytes + offset as u64);
    }

    /// A request came out of the bytes.
    pub(crate) fn request(&mut self) {
        self.requests += 1;
        self.fresh = false;
    }

    /// Its response ended.
    pub(crate) fn answered(&mut self) {
        self.fresh = false;
    }

    /// The reader wants bytes, there are none, and no request is being answered.
    pub(crate) fn starved(&mut self) {
        let (carry, fresh) = (self.carry, self.fresh);
        *self = Tally { carry, fresh, ..Tally::default() };
    }

    /// Whether a part of a next request has come in while none is being answered.
    pub(crate) fn has_part_of_a_request(&self) -> bool {
        self.fresh
    }

    /// Whether another request was read behind the latest one, whose body has this length.
    ///
    /// Exact for a first request since [`starved`](Tally::starved), and behind it as long as
    /// no body looks like heads; one that does may cost the word "close" on the last response, and
    /// the connection then ends by its idle window. Behind further bodies the answer is no: the
    /// client is told to close, and may repeat what it piped.
    pub(crate) fn more_behind(&self, body: BodyLength) -> bool {
        match (self.requests, self.first_head, body) {
            (_, _, BodyLength::Chunked) => false,
            (1, Some(head), BodyLength::Known(length)) => self.bytes - head > length,
            (_, _, BodyLength::Known(0)) => self.heads > self.requests,
            _ => false,
        }
    }
}

/// How much of [`HEAD_END`] the bytes end with, after a read that ended with `before` of it.
fn carried(before: usize, data: &[u8]) -> usize {
    for length in (1..HEAD_END.len()).rev() {
        let wanted = &HEAD_END[..length];
        if data.ends_with(wanted) {
            return length;
        }
        // A short read that only continues what was carried.
        if data.len() < length && before == length - data.len() && wanted[before..] == *data {
            return length;
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
            let mut tally = Tally::default();
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
        let mut tally = Tally::default();
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
        let mut tally = Tally::default();
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
        fn pipelined_requests_all_but_the_last_have_more(count in 1usize..20, piece in 1usize..80) {
            let text = GET.repeat(count);
            let mut tally = Tally::default();
            text.as_bytes().chunks(piece).for_each(|c| tally.read(c));
            for nth in 1..=count {
                tally.request();
                prop_assert_eq!(tally.more_behind(BodyLength::Known(0)), nth < count);
                tally.answered();
            }
        }

        #[test]
        fn any_bytes_in_any_pieces_count_alike(data in "[\r\na]{0,40}", piece in 1usize..9) {
            let (mut whole, mut parts) = (Tally::default(), Tally::default());
            whole.read(data.as_bytes());
            data.as_bytes().chunks(piece).for_each(|c| parts.read(c));
            prop_assert_eq!(whole.first_head, parts.first_head);
            prop_assert_eq!(whole.heads, parts.heads);
            prop_assert_eq!(whole.carry, parts.carry);
        }
    }
}
