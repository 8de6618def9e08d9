//! Tags: an Avro array of records of two strings, read in place.
//!
//! ```text
//! array  = block* 0
//! block  = count (name value){count}
//!        | -count size (name value){count}      size in bytes, of the records
//! name, value = length bytes                    UTF-8
//! count, size, length = zigzag varint, at most 64 bits
//! ```
//!
//! Zero tags are zero bytes, as arbundles writes them (`src/tags.ts`); an empty
//! Avro array, one zero byte, is read as well. Where arbundles forgives (a missing
//! end of the array, bytes behind it, a block size that is wrong) this is strict:
//! HyperBEAM takes the first byte of the data for a missing end, and the existing
//! scheduler refuses such an item, so it would not be the same for all.

/// The tag bytes of an item are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TagsError {
    /// The bytes end inside a number or string, or in the middle of a block.
    #[error("they end too early")]
    Truncated,
    /// The bytes end behind a block, where another one or a 0 has to follow.
    #[error("they end without the 0 that ends an Avro array")]
    Unterminated,
    /// A varint has more than 64 bits.
    #[error("a number has more than 64 bits")]
    Number,
    /// A string has a negative length.
    #[error("a string has the length {0}")]
    Length(i64),
    /// A block is not as long as it says.
    #[error("a block is not as long as it says")]
    BlockSize,
    /// A name or value is not UTF-8.
    #[error("a name or value is not UTF-8")]
    NotText,
    /// There are bytes behind the end of the array.
    #[error("{0} bytes follow the last tag")]
    Trailing(usize),
    /// There are more or fewer tags than the item's header announces.
    #[error("their number is not {0}, which the item announces")]
    Count(u64),
}

/// A name and a value, both UTF-8 and possibly empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag<'a> {
    /// The name. Several tags may have the same one.
    pub name: &'a str,
    /// The value.
    pub value: &'a str,
}

impl<'a> Tag<'a> {
    /// A tag of this name and value.
    pub const fn new(name: &'a str, value: &'a str) -> Tag<'a> {
        Tag { name, value }
    }
}

/// The Avro bytes of `tags`; zero tags are zero bytes.
pub fn encode_tags(tags: &[Tag<'_>]) -> Vec<u8> {
    if tags.is_empty() {
        return Vec::new();
    }
    let texts: usize = tags.iter().map(|tag| tag.name.len() + tag.value.len()).sum();
    let mut out = Vec::with_capacity(texts + 4 * tags.len() + 4);
    write_number(&mut out, tags.len());
    for tag in tags {
        for text in [tag.name, tag.value] {
            write_number(&mut out, text.len());
            out.extend_from_slice(text.as_bytes());
        }
    }
    out.push(0);
    out
}

fn write_number(out: &mut Vec<u8>, number: usize) {
    // No slice is longer than isize::MAX, so doubling for zigzag cannot overflow.
    let mut rest = (number as u64) << 1;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// The tags of an item, in order, borrowed from its bytes.
///
/// Whatever is wrong is found on the way: after an error the iterator ends. Once it
/// has ended without one, all bytes were read and the number of tags was right.
#[derive(Debug, Clone)]
pub struct Tags<'a> {
    rest: &'a [u8],
    announced: u64,
    /// Tags still to come after those of `block`; all of them before the first block.
    missing: u64,
    /// Tags still to come in the block that is being read.
    block: u64,
    /// Length of `rest` at the end of this block, when the block says its size.
    block_end: Option<usize>,
    ended: bool,
}

impl<'a> Tags<'a> {
    /// `bytes` are the Avro array, `count` is what the item's header says.
    pub(crate) fn new(bytes: &'a [u8], count: u64) -> Tags<'a> {
        Tags {
            rest: bytes,
            announced: count,
            missing: count,
            block: 0,
            block_end: None,
            ended: bytes.is_empty() && count == 0,
        }
    }

    fn advance(&mut self) -> Result<Option<Tag<'a>>, TagsError> {
        if self.block == 0 && !self.next_block()? {
            return Ok(None);
        }
        let tag = Tag { name: self.text()?, value: self.text()? };
        self.block -= 1;
        if self.block == 0 && self.block_end.take().is_some_and(|end| end != self.rest.len()) {
            return Err(TagsError::BlockSize);
        }
        Ok(Some(tag))
    }

    /// Reads the head of a block; false at the end of the array.
    fn next_block(&mut self) -> Result<bool, TagsError> {
        if self.rest.is_empty() {
            return Err(TagsError::Unterminated);
        }
        let count = self.number()?;
        if count < 0 {
            let size = usize::try_from(self.number()?).map_err(|_| TagsError::BlockSize)?;
            let end = self.rest.len().checked_sub(size).ok_or(TagsError::BlockSize)?;
            self.block_end = Some(end);
        }
        self.block = count.unsigned_abs();
        self.missing = self.missing.checked_sub(self.block).ok_or(TagsError::Count(self.announced))?;
        if self.block > 0 {
            return Ok(true);
        }
        match (self.missing, self.rest.len()) {
            (0, 0) => Ok(false),
            (0, trailing) => Err(TagsError::Trailing(trailing)),
            _ => Err(TagsError::Count(self.announced)),
        }
    }

    fn text(&mut self) -> Result<&'a str, TagsError> {
        let number = self.number()?;
        let len = usize::try_from(number).map_err(|_| TagsError::Length(number))?;
        let (text, rest) = self.rest.split_at_checked(len).ok_or(TagsError::Truncated)?;
        self.rest = rest;
        std::str::from_utf8(text).map_err(|_| TagsError::NotText)
    }

    #[inline]
    fn number(&mut self) -> Result<i64, TagsError> {
        // Nearly every number is a count or length below 64: one byte.
        let zigzag = match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                u64::from(byte)
            }
            _ => self.long_number()?,
        };
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    fn long_number(&mut self) -> Result<u64, TagsError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(TagsError::Truncated)?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(TagsError::Number);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(TagsError::Number)
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Result<Tag<'a>, TagsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl std::iter::FusedIterator for Tags<'_> {}

#[cfg(test)]
mod tests;
