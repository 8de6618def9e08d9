//! What the record says.

use std::time::Duration;

use ans104::{Draft, SignError, Signer, Tag};
use gateway::{LocationRecord, Url};
use protocol::{tags, values};

/// For how long a record says that it counts, after half of which it is published anew.
pub(crate) const TIME_TO_LIVE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

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

/// Whether a record says all that it should; which nonce it has is another matter, if it has one.
pub(crate) fn is_right(record: &LocationRecord, url: &Url) -> bool {
    let leads = record.url.as_deref().and_then(|text| Url::parse(text).ok());
    leads.as_ref() == Some(url)
        && record.variant.as_deref() == Some(values::AO_TN_1)
        && record.time_to_live == Some(TIME_TO_LIVE)
        && record.nonce.is_some()
}
