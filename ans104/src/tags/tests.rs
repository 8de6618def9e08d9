#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;

type Owned = Vec<(String, String)>;

fn read(bytes: &[u8], count: u64) -> Result<Owned, TagsError> {
    Tags::new(bytes, count).map(|tag| tag.map(|tag| (tag.name.to_owned(), tag.value.to_owned()))).collect()
}

fn borrow(tags: &[(String, String)]) -> Vec<Tag<'_>> {
    tags.iter().map(|(name, value)| Tag::new(name, value)).collect()
}

/// Zigzag, 7 bits at a time, written without regard to the code under test.
fn number(number: i64) -> Vec<u8> {
    let mut rest = i128::from(number);
    rest = if rest < 0 { -2 * rest - 1 } else { 2 * rest };
    let mut out = Vec::new();
    while rest > 127 {
        out.push(128 + (rest % 128) as u8);
        rest /= 128;
    }
    out.push(rest as u8);
    out
}

fn records(tags: &[(String, String)]) -> Vec<u8> {
    let text = |text: &str| [number(text.len() as i64), text.as_bytes().to_vec()].concat();
    tags.iter().flat_map(|(name, value)| [text(name), text(value)].concat()).collect()
}

#[test]
fn zero_tags_are_zero_bytes() {
    assert!(encode_tags(&[]).is_empty());
    assert_eq!(read(&[], 0), Ok(vec![]));
    assert_eq!(read(&[0], 0), Ok(vec![]), "an empty Avro array means the same");
}

#[test]
fn says_what_is_wrong() {
    let one = |text: &str| (text.to_owned(), String::new());
    let tag = [2, 2, b'n', 2, b'v'];
    let array = [tag.as_slice(), &[0]].concat();
    assert_eq!(read(&array, 1), Ok(vec![("n".into(), "v".into())]));

    let ten = [0x80; 9];
    let cases: &[(&str, Vec<u8>, u64, TagsError)] = &[
        ("no array", vec![], 1, TagsError::Unterminated),
        ("no end of the array", tag.to_vec(), 1, TagsError::Unterminated),
        (
            "no end after two tags",
            [vec![4], records(&[one("n"), one("n")])].concat(),
            2,
            TagsError::Unterminated,
        ),
        ("no value", vec![2, 2, b'n'], 1, TagsError::Truncated),
        ("string past the end", vec![2, 20, b'n', 0, 0], 1, TagsError::Truncated),
        ("string of 2^62 bytes", [vec![2], number(1 << 62), vec![0]].concat(), 1, TagsError::Truncated),
        ("string of -1 bytes", vec![2, 1, 0], 1, TagsError::Length(-1)),
        ("65 bits", [vec![2], ten.to_vec(), vec![2]].concat(), 1, TagsError::Number),
        ("endless number", vec![0xff; 64], 1, TagsError::Number),
        ("not UTF-8", vec![2, 2, 0xff, 0, 0], 1, TagsError::NotText),
        ("a byte behind", [array.as_slice(), &[0]].concat(), 1, TagsError::Trailing(1)),
        ("fewer than announced", array.clone(), 2, TagsError::Count(2)),
        ("more than announced", array.clone(), 0, TagsError::Count(0)),
        ("2^63 - 1 tags", number(i64::MAX), 1, TagsError::Count(1)),
        ("-2^63 tags", [number(i64::MIN), vec![0]].concat(), 1, TagsError::Count(1)),
        (
            "block too short",
            [number(-1), number(5), records(&[one("n")]), vec![0]].concat(),
            1,
            TagsError::BlockSize,
        ),
        (
            "block too long",
            [number(-1), number(2), records(&[one("n")]), vec![0]].concat(),
            1,
            TagsError::BlockSize,
        ),
        ("block of -1 bytes", [number(-1), number(-1), vec![0]].concat(), 1, TagsError::BlockSize),
    ];
    for (name, bytes, count, error) in cases {
        assert_eq!(read(bytes, *count), Err(*error), "{name}");
    }
}

#[test]
fn ends_after_an_error() {
    let mut tags = Tags::new(&[4, 0, 0, 1], 2);
    assert_eq!(tags.next(), Some(Ok(Tag::new("", ""))));
    assert_eq!(tags.next(), Some(Err(TagsError::Length(-1))));
    assert_eq!(tags.next(), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read(tags: Owned) {
        let bytes = encode_tags(&borrow(&tags));
        let expected = match tags.len() {
            0 => vec![],
            len => [number(len as i64), records(&tags), vec![0]].concat(),
        };
        prop_assert_eq!(&bytes, &expected);
        prop_assert_eq!(read(&bytes, tags.len() as u64), Ok(tags));
    }

    #[test]
    fn reads_blocks_with_and_without_a_size(blocks in prop::collection::vec((any::<Owned>(), any::<bool>()), 0..5)) {
        let mut bytes = Vec::new();
        let mut all = Vec::new();
        for (tags, sized) in blocks.into_iter().filter(|(tags, _)| !tags.is_empty()) {
            let records = records(&tags);
            let len = tags.len() as i64;
            if sized {
                bytes.extend([number(-len), number(records.len() as i64)].concat());
            } else {
                bytes.extend(number(len));
            }
            bytes.extend(records);
            all.extend(tags);
        }
        bytes.push(0);
        prop_assert_eq!(read(&bytes, all.len() as u64), Ok(all));
    }

    #[test]
    fn numbers_of_any_size_are_read(n: i64) {
        let bytes = number(n);
        let mut tags = Tags::new(&bytes, 0);
        prop_assert_eq!(tags.number(), Ok(n));
        prop_assert!(tags.rest.is_empty());
    }

    #[test]
    fn arbitrary_bytes_end(bytes in prop::collection::vec(0u8..8, 0..200), count in 0u64..100) {
        prop_assert!(Tags::new(&bytes, count).count() <= bytes.len() + 1);
    }
}
