//! The key by which tags are found: short, whatever is in the tag.

use aws_lc_rs::digest::{Context, SHA256};

/// The key of a tag that the item had before: nothing is found by it, as nobody knows a tag whose own key it is.
pub const REPEATED_KEY: i64 = 0;

/// The first 8 bytes, big-endian, of SHA-256(length of the name as 4 bytes, big-endian ‖ name ‖ value). Tags with the
/// same key are still compared: somebody with much time can make two.
pub fn tag_key(name: &[u8], value: &[u8]) -> i64 {
    let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
    let mut context = Context::new(&SHA256);
    context.update(&length.to_be_bytes());
    context.update(name);
    context.update(value);
    let mut key = [0; 8];
    key.iter_mut().zip(context.finish().as_ref()).for_each(|(byte, hashed)| *byte = *hashed);
    i64::from_be_bytes(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that were written keep their keys: another formula is another layout.
    #[test]
    fn the_key_is_what_the_schema_says() {
        assert_eq!(tag_key(b"Action", b"Eval"), 2_914_799_839_243_296_610);
        assert_ne!(tag_key(b"ab", b"c"), tag_key(b"a", b"bc"));
    }
}
