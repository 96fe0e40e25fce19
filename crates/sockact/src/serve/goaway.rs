//! GOAWAY on a connection whose HTTP/2 is spoken by somebody else's server.
//!
//! A server such as `axum::serve` offers one signal for all its connections, and for HTTP/1 that
//! signal loses requests. So it is not given; what HTTP/2 clients must hear is put between two of
//! the server's own frames instead. Pure: bytes that went out in, an answer out.

/// "No new streams, please": the highest stream, so that every request already under way is still
/// taken (RFC 9113, section 6.8).
pub(crate) const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0];

const HEAD: usize = 9;
const HEADERS: u8 = 1;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Where in its frames the outgoing stream stands.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    head: [u8; HEAD],
    have: usize,
    /// Bytes of the payload that are still to come.
    left: usize,
    /// A block of headers continues in the next frame; nothing may come between.
    open_headers: bool,
    begun: bool,
}

impl Frames {
    /// These bytes went out.
    pub(crate) fn wrote(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            let skipped = self.left.min(data.len());
            self.left -= skipped;
            data = &data[skipped..];
            let taken = (HEAD - self.have).min(data.len());
            if self.left > 0 || taken == 0 {
                continue;
            }
            self.head[self.have..self.have + taken].copy_from_slice(&data[..taken]);
            self.have += taken;
            data = &data[taken..];
            if self.have == HEAD {
                self.frame_begins();
            }
        }
    }

    fn frame_begins(&mut self) {
        let [a, b, c, kind, flags, ..] = self.head;
        self.left = u32::from_be_bytes([0, a, b, c]) as usize;
        if matches!(kind, HEADERS | PUSH_PROMISE | CONTINUATION) {
            self.open_headers = flags & END_HEADERS == 0;
        }
        self.have = 0;
        self.begun = true;
    }

    /// A frame may be put in here: behind the server's SETTINGS, and between two frames.
    pub(crate) fn is_between(&self) -> bool {
        self.begun && self.have == 0 && self.left == 0 && !self.open_headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![0, (length >> 8) as u8, length as u8, kind, flags, 0, 0, 0, 1];
        frame.resize(HEAD + length, 0xaa);
        frame
    }

    #[test]
    fn nothing_before_the_first_frame_and_nothing_within_headers() {
        let mut frames = Frames::default();
        assert!(!frames.is_between());
        frames.wrote(&frame(4, 0, 0));
        assert!(frames.is_between());
        frames.wrote(&frame(HEADERS, 0, 3));
        assert!(!frames.is_between());
        frames.wrote(&frame(CONTINUATION, END_HEADERS, 0));
        assert!(frames.is_between());
    }

    proptest! {
        #[test]
        fn between_exactly_at_the_ends(lengths in proptest::collection::vec(0usize..300, 1..9)) {
            let mut frames = Frames::default();
            let mut ends = std::collections::HashSet::new();
            let mut all = Vec::new();
            for length in lengths {
                all.extend(frame(0, 0, length));
                ends.insert(all.len());
            }
            for (at, byte) in all.iter().enumerate() {
                frames.wrote(&[*byte]);
                prop_assert_eq!(frames.is_between(), ends.contains(&(at + 1)));
            }
            let mut whole = Frames::default();
            whole.wrote(&all);
            prop_assert!(whole.is_between());
        }
    }
}
