//! `--since`: a nonce, or a time in one of some forms.

use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Whole numbers from here on are milliseconds; this one is a day in September 2001.
const FIRST_TIME_MS: u64 = 1_000_000_000_000;

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    Nonce(u64),
    /// In milliseconds since 1970.
    Time(u64),
}

/// A text is neither a nonce nor a time.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected a nonce, milliseconds since 1970, a time such as 2026-11-20T10:00:00Z, or an age such as 15m, 2h or 3days"
)]
pub(super) struct NotATime;

impl FromStr for Since {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse().map_err(|_| NotATime)?;
            return Ok(if number < FIRST_TIME_MS { Self::Nonce(number) } else { Self::Time(number) });
        }
        let date = |text: &str| humantime::parse_rfc3339_weak(text).ok();
        let time = date(text).or_else(|| date(&format!("{text}T00:00:00Z")));
        let ago = |ago: Duration| SystemTime::now().checked_sub(ago);
        let time = time.or_else(|| humantime::parse_duration(text).ok().and_then(ago));
        let since_1970 = time.ok_or(NotATime)?.duration_since(UNIX_EPOCH).map_err(|_| NotATime)?;
        u64::try_from(since_1970.as_millis()).map(Self::Time).map_err(|_| NotATime)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn nonces_and_times_are_told_apart() {
        for (text, expected) in [
            ("0", Since::Nonce(0)),
            ("999999999999", Since::Nonce(999_999_999_999)),
            ("1000000000000", Since::Time(1_000_000_000_000)),
            ("2023-11-14T22:13:20.123Z", Since::Time(1_700_000_000_123)),
            ("2023-11-14 22:13:20", Since::Time(1_700_000_000_000)),
            ("2023-11-14", Since::Time(1_699_920_000_000)),
        ] {
            assert_eq!(text.parse::<Since>().unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn an_age_is_counted_back_from_now() {
        let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        for (text, ago_ms) in
            [("90s", 90_000), ("2h", 7_200_000), ("3d", 259_200_000), ("1day 12h", 129_600_000)]
        {
            let Since::Time(ms) = text.parse().unwrap() else { panic!("{text} is no nonce") };
            assert!((now - ago_ms..now - ago_ms + 60_000).contains(&ms), "{text}: {ms}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            " ",
            "-1",
            "1.5",
            "yesterday",
            "2h ago",
            "2023-13-01",
            "99999999999999999999",
            "1e3",
            "300000d",
        ] {
            assert!(text.parse::<Since>().is_err(), "{text}");
        }
    }
}
