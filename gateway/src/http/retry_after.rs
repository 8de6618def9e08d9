//! `Retry-After`: how long a service asks to be left alone.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// A longer wait is cut to this: a service must not be able to switch itself off for good.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// The wait that an answer asks for in its `Retry-After`, in seconds or up to a date, up to [`RETRY_AFTER_MAX`]; none
/// where it asks for none.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    parse(text, SystemTime::now())
}

fn parse(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits beyond u64 are a long wait as well.
        true if !text.is_empty() => Duration::from_secs(text.parse().unwrap_or(u64::MAX)),
        _ => httpdate::parse_http_date(text).ok()?.duration_since(now).ok()?,
    };
    (!wait.is_zero()).then(|| wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_bounded() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        let check = |text, seconds: Option<u64>| {
            assert_eq!(parse(text, now), seconds.map(Duration::from_secs), "{text:?}");
        };
        check("7", Some(7));
        check(" 120 ", Some(120));
        check("301", Some(300));
        check("99999999999999999999999999", Some(300));
        check("Wed, 21 Oct 2015 07:28:05 GMT", Some(5));
        check("Wed, 21 Oct 2099 07:28:05 GMT", Some(300));
        for nothing in ["", "0", "-1", "1.5", "soon", "Wed, 21 Oct 2015 07:27:59 GMT"] {
            check(nothing, None);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text: String) {
            let wait = parse(&text, SystemTime::now());
            prop_assert!(wait.is_none_or(|wait| wait <= RETRY_AFTER_MAX && !wait.is_zero()));
        }
    }
}
