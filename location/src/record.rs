//! What the record says.

use std::time::Duration;

use ans104::{Draft, SignError, Signer, Tag};
use gateway::{LocationRecord, Url};
use protocol::{tags, values};

use crate::decision::LocationPlace;

/// For how long a record says that it counts, after half of which it is published anew.
pub(crate) const TIME_TO_LIVE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// How many characters of what a record says are shown.
const SHOWN_MAX: usize = 100;

/// The record as an item: what message units, other clients and HyperBEAM all take. It is never of the type `location`,
/// which message units do not find and HyperBEAM would prefer for ever.
pub(crate) fn signed(url: &Url, nonce: u64, signer: &dyn Signer) -> Result<Vec<u8>, SignError> {
    let (time_to_live, nonce) = (TIME_TO_LIVE.as_millis().to_string(), nonce.to_string());
    let tags = [
        Tag::new(tags::DATA_PROTOCOL, values::AO),
        Tag::new(tags::TYPE, values::SCHEDULER_LOCATION),
        Tag::new(tags::VARIANT, values::AO_TN_1),
        Tag::new(tags::URL, shown(url)),
        Tag::new(tags::TIME_TO_LIVE, &time_to_live),
        Tag::new(tags::NONCE, &nonce),
    ];
    Draft { tags: &tags, ..Draft::default() }.sign(signer)
}

/// The URL as records have it: clients put a slash behind it.
pub(crate) fn shown(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// Whether clients are led to this URL by what a record says: those that only put a path behind it as well, for which a space
/// is not nothing.
pub(crate) fn leads_to(text: &str, url: &Url) -> bool {
    let is_plain = !text.contains(|character: char| character.is_whitespace() || character.is_control());
    is_plain && Url::parse(text).is_ok_and(|found| found == *url)
}

/// What a record says, as it can be shown: whoever has the wallet's key, or speaks for a gateway, may have written anything.
pub(crate) fn legible(text: &str) -> String {
    let short: String = text.chars().take(SHOWN_MAX).collect();
    let cut = if short.len() < text.len() { "…" } else { "" };
    let is_plain = short.chars().all(|character| character.is_ascii_graphic());
    if is_plain && !short.is_empty() { short + cut } else { format!("{short:?}{cut}") }
}

/// Whether a record says all that it should; which nonce it has is another matter. Who publishes it has it say all that his
/// own would; another's is right if clients are led there by it.
pub(crate) fn is_right(record: &LocationRecord, place: LocationPlace<'_>) -> bool {
    let counts = |time: Duration| if place.publishes { time == TIME_TO_LIVE } else { !time.is_zero() };
    record.url.as_deref().is_some_and(|text| leads_to(text, place.url))
        && record.variant.as_deref() == Some(values::AO_TN_1)
        && record.time_to_live.is_some_and(counts)
        && (record.nonce.is_some() || !place.publishes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_url_with_anything_around_it_leads_nowhere() {
        let url = Url::parse("https://su.example").unwrap();
        for (text, leads) in [
            ("https://su.example", true),
            ("https://su.example/", true),
            ("https://su.example:443", true),
            ("https://other.example", false),
            (" https://su.example", false),
            ("https://su.example ", false),
            ("https://su\n.example", false),
            ("https://su.example\u{a0}", false),
            ("su.example", false),
        ] {
            assert_eq!(leads_to(text, &url), leads, "{text:?}");
        }
    }

    #[test]
    fn whatever_a_record_says_is_short_and_in_one_line() {
        for (text, shown) in [
            ("https://su.example", "https://su.example"),
            ("", r#""""#),
            (" x", r#"" x""#),
            ("a\u{1b}[31m\n", r#""a\u{1b}[31m\n""#),
            ("\u{202e}", r#""\u{202e}""#),
        ] {
            assert_eq!(legible(text), shown);
        }
        assert_eq!(legible(&"x".repeat(5_000)), "x".repeat(SHOWN_MAX) + "…");
    }
}
