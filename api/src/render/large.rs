//! Long data of an item as a JSON string, a part at a time: at worst the whole has six times the length of the data.

use super::json;

/// How much data is looked at at once, in bytes.
const STEP: usize = 8 << 10;

/// Long data, and what its JSON ends with.
pub(crate) struct LargeData {
    data: Vec<u8>,
    /// Whether all of it is text. What is not becomes U+FFFD.
    is_text: bool,
    after: Vec<u8>,
}

/// How far something large has been shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShownPart(usize);

impl LargeData {
    /// Data inside of the quotes, and what comes after it.
    pub(crate) fn new(data: &[u8], after: Vec<u8>) -> Self {
        Self { data: data.to_vec(), is_text: simdutf8::basic::from_utf8(data).is_ok(), after }
    }

    /// How much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.data.len() + self.after.capacity()
    }

    /// How long all of it is when it is shown.
    pub(crate) fn shown_len(&self) -> usize {
        let data = if self.is_text {
            json::contents_len(&self.data)
        } else {
            let chunks = self.data.utf8_chunks();
            chunks
                .map(|chunk| {
                    json::contents_len(chunk.valid().as_bytes()) + replacement(chunk.invalid()).len()
                })
                .sum()
        };
        data + self.after.len()
    }

    /// Goes on showing it until `out` is about so long; none when all is shown.
    pub(crate) fn append(&self, out: &mut Vec<u8>, shown: ShownPart, until: usize) -> Option<ShownPart> {
        let rest = self.data.get(shown.0..).unwrap_or_default();
        let done = if self.is_text { text(out, rest, until) } else { lossy(out, rest, until) };
        if done < rest.len() {
            return Some(ShownPart(shown.0 + done));
        }
        out.extend_from_slice(&self.after);
        None
    }
}

/// Appends text, which may be cut anywhere since nobody reads the parts alone; how much of it.
fn text(out: &mut Vec<u8>, text: &[u8], until: usize) -> usize {
    let mut done = 0;
    for step in text.chunks(STEP) {
        if out.len() >= until {
            break;
        }
        json::contents(out, step);
        done += step.len();
    }
    done
}

/// Appends what may be no text. It is cut between characters, so that the next part is read as this one was.
fn lossy(out: &mut Vec<u8>, bytes: &[u8], until: usize) -> usize {
    let mut done = 0;
    for chunk in bytes.utf8_chunks() {
        let mut valid = chunk.valid();
        while !valid.is_empty() {
            if out.len() >= until {
                return done;
            }
            let (step, rest) = valid.split_at(valid.floor_char_boundary(STEP));
            json::contents(out, step.as_bytes());
            done += step.len();
            valid = rest;
        }
        if out.len() >= until {
            return done;
        }
        out.extend_from_slice(replacement(chunk.invalid()));
        done += chunk.invalid().len();
    }
    done
}

fn replacement(invalid: &[u8]) -> &'static [u8] {
    if invalid.is_empty() { b"" } else { "\u{FFFD}".as_bytes() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    /// The parts of all of it, of about this length each.
    fn parts(data: &[u8], length: usize) -> Vec<Vec<u8>> {
        let large = LargeData::new(data, b"\"after".to_vec());
        let (mut parts, mut shown) = (Vec::new(), Some(ShownPart::default()));
        while let Some(at) = shown {
            let mut out = Vec::new();
            shown = large.append(&mut out, at, length);
            parts.push(out);
        }
        assert_eq!(parts.concat().len(), large.shown_len());
        parts
    }

    fn whole(data: &[u8]) -> Vec<u8> {
        let text = serde_json::to_string(&String::from_utf8_lossy(data)).unwrap();
        [&text.as_bytes()[1..], b"after"].concat()
    }

    #[test]
    fn no_part_is_much_longer_than_asked_for() {
        let binary: Vec<u8> = (0..100 * STEP).map(|place| (place * 7 % 256) as u8).collect();
        for data in [vec![0; 100 * STEP], binary, vec![b'x'; 100 * STEP], vec![0xff; 100 * STEP]] {
            let parts = parts(&data, 64 << 10);
            assert!(parts.len() > 10 && parts.iter().all(|part| part.len() <= (64 << 10) + 6 * STEP + 6));
            assert_eq!(parts.concat(), whole(&data));
        }
    }

    proptest! {
        #[test]
        fn the_parts_are_the_whole(bytes: Vec<u8>, text in "(?s).{0,40}", length in 1..50_usize, times in 1..400_usize) {
            let bytes = [text.as_bytes(), &bytes, text.as_bytes()].concat().repeat(times);
            prop_assert_eq!(parts(&bytes, length).concat(), whole(&bytes));
            let text = text.repeat(times);
            prop_assert_eq!(parts(text.as_bytes(), length).concat(), whole(text.as_bytes()));
        }
    }
}
