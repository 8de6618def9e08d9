//! The chunks of HTTP/1.1 answers, so that two of a stream can change places: each is whole, and where none begins.

/// The answers that come on a connection, cut where their chunks end.
#[derive(Default)]
pub(crate) struct Chunks {
    /// What came and was not passed on, since it is no whole chunk yet.
    came: Vec<u8>,
    place: Place,
    /// What waits for the chunk behind it.
    held: Option<Vec<u8>>,
}

/// What comes next.
#[derive(Clone, Copy, Default)]
enum Place {
    #[default]
    Head,
    Chunk,
    /// So many bytes of a body that says how long it is.
    Sized(usize),
}

/// One of both is no more than a sign of life.
const SHORT: usize = 200;

impl Chunks {
    /// What can be passed on now that these bytes came. If two chunks are to be `swapped`, that is done as soon as they
    /// are there, and noted.
    pub(crate) fn pass(&mut self, bytes: &[u8], swapped: impl Fn() -> bool, done: impl Fn()) -> Vec<u8> {
        self.came.extend_from_slice(bytes);
        let mut out = Vec::new();
        while let Some(length) = self.next() {
            let piece: Vec<u8> = self.came.drain(..length).collect();
            let is_long = matches!(self.place, Place::Chunk) && length > SHORT;
            match self.held.take() {
                Some(held) => {
                    out.extend_from_slice(&piece);
                    out.extend_from_slice(&held);
                    done();
                }
                None if is_long && swapped() => self.held = Some(piece.clone()),
                None => out.extend_from_slice(&piece),
            }
            self.went(&piece);
        }
        out
    }

    /// How long the piece is that comes next, if all of it is there.
    fn next(&self) -> Option<usize> {
        let end = |sign: &[u8]| self.came.windows(sign.len()).position(|bytes| bytes == sign);
        match self.place {
            Place::Head => end(b"\r\n\r\n").map(|at| at + 4),
            Place::Chunk => {
                let line = end(b"\r\n")?;
                let digits = std::str::from_utf8(&self.came[..line]).ok()?;
                let length = usize::from_str_radix(digits, 16).ok()?;
                let whole = line + 2 + length + 2;
                (self.came.len() >= whole).then_some(whole)
            }
            Place::Sized(left) => Some(left.min(self.came.len())).filter(|length| *length > 0),
        }
    }

    /// What comes after this piece.
    fn went(&mut self, piece: &[u8]) {
        self.place = match self.place {
            Place::Head => {
                let head = String::from_utf8_lossy(piece).to_ascii_lowercase();
                let length =
                    head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
                if head.contains("transfer-encoding: chunked") {
                    Place::Chunk
                } else {
                    length.filter(|length| *length > 0).map_or(Place::Head, Place::Sized)
                }
            }
            Place::Chunk if piece.starts_with(b"0\r\n") => Place::Head,
            Place::Chunk => Place::Chunk,
            Place::Sized(left) if left > piece.len() => Place::Sized(left - piece.len()),
            Place::Sized(_) => Place::Head,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn two_whole_chunks_change_places_however_they_come() {
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        let (one, two, beat) = (chunk(&"1".repeat(300)), chunk(&"2".repeat(300)), chunk("beat"));
        let sized = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour";
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let end = "0\r\n\r\n";
        let came = [sized, head, &beat, &one, &two, &one, end, sized].concat();
        let swapped = [sized, head, &beat, &two, &one, &one, end, sized].concat();
        for piece in [1, 7, 4096] {
            for (wanted, expected) in [(false, &came), (true, &swapped)] {
                let (mut chunks, is_wanted) = (Chunks::default(), Cell::new(wanted));
                let pieces = came.as_bytes().chunks(piece);
                let out =
                    pieces.flat_map(|bytes| chunks.pass(bytes, || is_wanted.get(), || is_wanted.set(false)));
                assert_eq!(String::from_utf8(out.collect()).unwrap(), *expected, "in pieces of {piece}");
                assert!(!is_wanted.get());
            }
        }
    }
}
