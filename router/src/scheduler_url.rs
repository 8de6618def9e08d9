//! Where a scheduler is: an origin, and nothing that a client could add to.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use poem::http::{HeaderValue, Uri};
use reqwest::Url;
use serde::{Serialize, Serializer};
use thiserror::Error;
use web::below_origin;

/// Longer ones are nobody's.
const LENGTH_MAX: usize = 512;

/// The origin of a scheduler, such as `https://su1.example`. It is for life: clients keep it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchedulerUrl(Arc<str>);

/// A text is not the URL of a scheduler.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{url:?} is not the URL of a scheduler: {reason}")]
pub struct SchedulerUrlError {
    url: String,
    reason: String,
}

impl SchedulerUrl {
    /// The origin as text, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of what was asked for, at this scheduler. Of what was asked only path and query count, whatever host it
    /// named.
    pub(crate) fn at(&self, asked: &Uri) -> String {
        below_origin(&self.0, asked)
    }

    /// The same as the value of `Location`.
    pub(crate) fn location(&self, asked: &Uri) -> HeaderValue {
        // Nothing is left in it that no header may have.
        HeaderValue::from_str(&self.at(asked)).unwrap_or_else(|_| HeaderValue::from_static("/"))
    }
}

impl FromStr for SchedulerUrl {
    type Err = SchedulerUrlError;

    fn from_str(text: &str) -> Result<Self, SchedulerUrlError> {
        let refused = |reason: &str| {
            let url = text.chars().take(LENGTH_MAX).collect();
            SchedulerUrlError { url, reason: reason.to_owned() }
        };
        if text.len() > LENGTH_MAX {
            return Err(refused("it is too long"));
        }
        let url = Url::parse(text.trim()).map_err(|error| refused(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(refused("expected http://host:port or https://host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("expected no user and no password"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(refused("expected no path, no query and no fragment"));
        }
        Ok(Self(url.origin().ascii_serialization().into()))
    }
}

impl fmt::Display for SchedulerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SchedulerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for SchedulerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_scheduler_is_an_origin() {
        for (text, origin) in [
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("http://127.0.0.1:9000/", "http://127.0.0.1:9000"),
            ("https://SU1.example:443/", "https://su1.example"),
            ("http://[::1]:9000", "http://[::1]:9000"),
        ] {
            assert_eq!(text.parse::<SchedulerUrl>().unwrap().as_str(), origin, "{text}");
        }
        for text in [
            "",
            "su1.example",
            "ftp://su1.example",
            "http://",
            "http://user@su1.example",
            "http://:secret@su1.example",
            "http://su1.example/path",
            "http://su1.example/?a",
            "http://su1.example/#a",
            "//su1.example",
            "javascript:alert(1)",
        ] {
            assert!(text.parse::<SchedulerUrl>().is_err(), "{text:?} is taken");
        }
    }

    #[test]
    fn what_was_asked_for_is_below_the_origin() {
        let url: SchedulerUrl = "http://su:1".parse().unwrap();
        for (asked, location) in [
            ("/", "http://su:1/"),
            ("/P?limit=1&from=a%20b", "http://su:1/P?limit=1&from=a%20b"),
            ("/P?", "http://su:1/P?"),
            ("//evil.example/P", "http://su:1/evil.example/P"),
            ("///evil.example", "http://su:1/evil.example"),
            ("http://evil.example/P?a=b", "http://su:1/P?a=b"),
            ("http://user@evil.example:7//x", "http://su:1/x"),
            ("/P?next=http://evil.example//", "http://su:1/P?next=http://evil.example//"),
            ("/\\evil.example", "http://su:1/%5Cevil.example"),
            ("/%0d%0aSet-Cookie:a", "http://su:1/%0d%0aSet-Cookie:a"),
            ("/a\"b", "http://su:1/a%22b"),
        ] {
            let found = url.location(&asked.parse().unwrap());
            assert_eq!(found.to_str().unwrap(), location, "{asked}");
        }
    }

    proptest! {
        #[test]
        fn nothing_leads_elsewhere(asked in "[ -~é]{0,40}") {
            let url: SchedulerUrl = "http://su:1".parse().unwrap();
            if let Ok(asked) = format!("/{asked}").parse::<Uri>() {
                let location = url.location(&asked);
                let parsed = Url::parse(location.to_str().unwrap()).unwrap();
                prop_assert_eq!(parsed.origin().ascii_serialization(), "http://su:1");
                prop_assert!(location.to_str().unwrap().starts_with("http://su:1/"));
                prop_assert!(!location.to_str().unwrap().starts_with("http://su:1//"));
            }
        }
    }
}
