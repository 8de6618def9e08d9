//! JSON strings, written straight into bytes.

/// What each byte below 0x20, and the quote and the backslash, become in a string.
const CONTROL: [&[u8; 6]; 32] = [
    b"\\u0000", b"\\u0001", b"\\u0002", b"\\u0003", b"\\u0004", b"\\u0005", b"\\u0006", b"\\u0007",
    b"\\u0008", b"\\u0009", b"\\u000a", b"\\u000b", b"\\u000c", b"\\u000d", b"\\u000e", b"\\u000f",
    b"\\u0010", b"\\u0011", b"\\u0012", b"\\u0013", b"\\u0014", b"\\u0015", b"\\u0016", b"\\u0017",
    b"\\u0018", b"\\u0019", b"\\u001a", b"\\u001b", b"\\u001c", b"\\u001d", b"\\u001e", b"\\u001f",
];

/// Appends a text as a JSON string, quotes included.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    contents(out, text.as_bytes());
    out.push(b'"');
}

/// Appends bytes as a JSON string; what is not UTF-8 becomes U+FFFD, as `String::from_utf8_lossy` has it.
pub(crate) fn lossy(out: &mut Vec<u8>, bytes: &[u8]) {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => string(out, text),
        Err(_) => string(out, &String::from_utf8_lossy(bytes)),
    }
}

/// Appends bytes as a JSON string, or null when they are not UTF-8.
pub(crate) fn text_or_null(out: &mut Vec<u8>, bytes: &[u8]) {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => string(out, text),
        Err(_) => out.extend_from_slice(b"null"),
    }
}

/// Appends the inside of a string: what needs no escape is copied in blocks.
pub(super) fn contents(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
        return;
    }
    out.reserve(bytes.len() + bytes.len() / 4);
    let (blocks, rest) = bytes.as_chunks::<16>();
    for block in blocks {
        if is_plain_block(block) {
            out.extend_from_slice(block);
        } else {
            each(out, block);
        }
    }
    each(out, rest);
}

/// How long the inside of a string is.
pub(super) fn contents_len(bytes: &[u8]) -> usize {
    let length = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    bytes.iter().map(length).sum()
}

fn each(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        if needs_escape(byte) {
            escape(out, byte);
        } else {
            out.push(byte);
        }
    }
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            return out.extend_from_slice(CONTROL.get(usize::from(byte)).map_or(&[], |text| text.as_slice()));
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Whether a byte cannot stand in a string as it is. No branches: the compiler makes vector code of loops over this.
const fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

#[inline]
fn is_plain_block<const N: usize>(block: &[u8; N]) -> bool {
    !block.iter().fold(false, |found, &byte| found | needs_escape(byte))
}

/// Whether nothing has to be escaped. Blocks of a fixed size are what can be vectorised, so the last one overlaps
/// the one before it.
fn is_plain(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<32>() {
        bytes.as_chunks::<32>().0.iter().all(is_plain_block) && is_plain_block(last)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<16>(), bytes.last_chunk::<16>()) {
        is_plain_block(first) && is_plain_block(last)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        is_plain_block(first) & is_plain_block(last)
    } else {
        !bytes.iter().any(|&byte| needs_escape(byte))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"before ".to_vec();
        write(&mut out);
        String::from_utf8(out).unwrap().split_off(7)
    }

    #[test]
    fn every_byte_at_every_place_of_a_block() {
        for length in 0..70 {
            for place in 0..length {
                for byte in 0..=0x7f_u8 {
                    let mut text = vec![b'x'; length];
                    text[place] = byte;
                    let text = String::from_utf8(text).unwrap();
                    assert_eq!(written(|out| string(out, &text)), serde_json::to_string(&text).unwrap());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn texts_are_as_serde_json_writes_them(text in "(?s).{0,200}", quotes in r#"["\\\n a-z]{0,200}"#) {
            for text in [text, quotes] {
                prop_assert_eq!(written(|out| string(out, &text)), serde_json::to_string(&text).unwrap());
            }
        }

        #[test]
        fn bytes_are_as_the_standard_library_reads_them(bytes: Vec<u8>, text in "(?s).{0,40}") {
            for bytes in [bytes.clone(), [text.as_bytes(), &bytes, text.as_bytes()].concat()] {
                let lossy_text = String::from_utf8_lossy(&bytes).into_owned();
                prop_assert_eq!(written(|out| lossy(out, &bytes)), serde_json::to_string(&lossy_text).unwrap());
                let strict = std::str::from_utf8(&bytes).ok();
                prop_assert_eq!(written(|out| text_or_null(out, &bytes)), serde_json::to_string(&strict).unwrap());
            }
        }
    }
}
