//! Requests that say in two ways how long they are, with `Content-Length` and with `Transfer-Encoding`. What is between a
//! client and this node may go by the other one, and take a part of one request for another. Hyper goes by the second,
//! forgets the first, and closes the connection afterwards; so that they can be refused at all, they are noticed here, in
//! the bytes as they come.
//!
//! A head that came together with the end of the request before it is not looked at: there hyper's way is what is left.

/// How much of each line is looked at.
const BEGINNING: usize = 18;
const NAMES: [&[u8]; 2] = [b"content-length:", b"transfer-encoding:"];
/// The first line of a connection of HTTP/2, in which neither is of consequence.
const HTTP2: &[u8] = b"pri * http/2.0";

/// Looks at heads as they come, line by line.
#[derive(Default)]
pub(crate) struct HeadLines {
    /// The beginning of the line that is coming, and how long that is till now.
    line: [u8; BEGINNING],
    length: usize,
    /// Whether each of both was there.
    has: [bool; 2],
    /// Whether any line of this head has come, and whether any of the connection has.
    begun: bool,
    is_later: bool,
    is_http2: bool,
}

impl HeadLines {
    /// Looks at more bytes of a head. Whether it has ended, with both of them.
    pub(crate) fn have_two_lengths(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            match byte {
                _ if self.is_http2 => return false,
                b'\r' => {}
                b'\n' if self.length == 0 && self.begun => {
                    let has = self.has;
                    self.begin_anew();
                    return has == [true, true];
                }
                b'\n' => self.end_line(),
                byte => {
                    if let Some(place) = self.line.get_mut(self.length) {
                        *place = byte.to_ascii_lowercase();
                    }
                    self.length = self.length.saturating_add(1);
                }
            }
        }
        false
    }

    /// What comes next is not what was coming.
    pub(crate) fn begin_anew(&mut self) {
        *self = Self { is_http2: self.is_http2, is_later: true, ..Self::default() };
    }

    fn end_line(&mut self) {
        let line = self.line.get(..self.length).unwrap_or(&self.line);
        // The first line is no header.
        for (name, has) in NAMES.iter().zip(&mut self.has).filter(|_| self.begun) {
            *has |= line.starts_with(name);
        }
        self.is_http2 = !self.is_later && line == HTTP2;
        self.is_later = true;
        self.begun |= self.length > 0;
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    fn have_two_lengths(head: &str, piece: usize) -> bool {
        let mut lines = HeadLines::default();
        head.as_bytes().chunks(piece).any(|piece| lines.have_two_lengths(piece))
    }

    #[test]
    fn both_are_seen_however_they_come() {
        for (head, expected) in [
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", true),
            ("\r\nPOST / HTTP/1.1\ntransfer-encoding:chunked\nx: y\nCONTENT-LENGTH:5\n\nbody", true),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\nx-transfer-encoding: chunked\r\n\r\n", false),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nTransfer-Encoding: chunked\r\n\r\n", false),
            ("POST /content-length: HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", false),
            ("Content-Length: / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", false),
            ("PRI * HTTP/2.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", false),
            ("PRI * HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", true),
            ("\nPRI * HTTP/2.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", true),
        ] {
            for piece in [1, 7, 1000] {
                assert_eq!(have_two_lengths(head, piece), expected, "{head:?} by {piece}");
            }
        }
    }

    #[test]
    fn what_is_left_of_something_else_is_forgotten() {
        let both = b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut lines = HeadLines::default();
        assert!(!lines.have_two_lengths(b"\ncontent-length:\ntransfer-encoding:\ntransf"));
        lines.begin_anew();
        assert!(!lines.have_two_lengths(b"GET / HTTP/1.1\r\n\r\n"));
        lines.begin_anew();
        // Nothing that comes later makes it a connection of HTTP/2.
        assert!(!lines.have_two_lengths(b"PRI * HTTP/2.0\r\n\r\n") && lines.have_two_lengths(both));
    }
}
