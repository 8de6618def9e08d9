//! Numbers as settings take them.

/// A number of bytes.
///
/// # Errors
/// When it is none; the text says what is expected.
pub fn bytes(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a number of bytes without a unit, such as 134217728".to_owned())
}

/// A whole number that is not 0.
///
/// # Errors
/// When it is none; the text says what is expected.
pub fn positive<N: std::str::FromStr + PartialEq + Default>(text: &str) -> Result<N, String> {
    let number = text.parse::<N>().ok().filter(|number| *number != N::default());
    number.ok_or_else(|| "expected a whole number, 1 or more".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn what_is_no_number_is_told_what_is_expected() {
        assert_eq!(bytes("67108864"), Ok(67_108_864));
        for wrong in ["64MiB", "", "-1", "1e6", "99999999999999999999"] {
            assert!(bytes(wrong).unwrap_err().starts_with("expected a number of bytes"), "{wrong}");
        }
        assert_eq!(positive::<u64>("5"), Ok(5));
        for wrong in ["0", "", "-1", "five", "1.5"] {
            assert_eq!(positive::<u64>(wrong).unwrap_err(), "expected a whole number, 1 or more", "{wrong}");
        }
    }
}
