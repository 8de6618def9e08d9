//! What no node takes, whatever it has: an item says so itself, and neither a scheduler nor its state is needed to know it.

use ans104::{Id, Item, LimitError, ParseError};

use crate::code::Code;
use crate::{tags, values};

/// An item is of a form that no node takes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Its tags cannot be read.
    #[error("the body is not an ANS-104 data item: {0}")]
    Malformed(#[from] ParseError),
    /// More bytes of tags than the peers accept that it is passed on to.
    #[error("the tags exceed what peers accept: {0}")]
    Limits(#[from] LimitError),
    /// A tag that must be there is not.
    #[error("the item has no {name} tag; {why}")]
    MissingTag {
        /// Which one.
        name: &'static str,
        /// What needs it.
        why: &'static str,
    },
    /// A tag has a value that is not accepted.
    #[error("invalid {name} tag: {reason}")]
    InvalidTag {
        /// Which one.
        name: String,
        /// What was expected.
        reason: String,
    },
}

impl FormError {
    /// The code that tells the client what it can do about it.
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::MalformedItem,
            Self::MissingTag { .. } => Code::MissingTag,
            Self::InvalidTag { .. } | Self::Limits(_) => Code::InvalidTag,
        }
    }

    fn invalid(name: &str, reason: String) -> Self {
        Self::InvalidTag { name: name.to_owned(), reason }
    }
}

/// Refuses tags that no node takes. Links are of another variant of the protocol: what they stand for is not in the item, so
/// nothing binds it.
///
/// # Errors
/// When the item has such.
pub fn check_tags(item: &Item<'_>) -> Result<(), FormError> {
    for tag in item.tags() {
        let tag = tag.map_err(|error| FormError::Malformed(error.into()))?;
        if tag.name.ends_with(values::LINK_SUFFIX) || tag.value.ends_with(values::LINK_SUFFIX) {
            let reason = "expected a plain name and value, not a link (+link)";
            return Err(FormError::invalid(tag.name, reason.to_owned()));
        }
    }
    Ok(item.check_limits()?)
}

/// Refuses a process that no node takes. The transaction that it boots from, if it does: a gateway must have it.
///
/// # Errors
/// When a tag is missing or wrong.
pub fn check_spawn(item: &Item<'_>) -> Result<Option<Id>, FormError> {
    for name in [tags::MODULE, tags::SCHEDULER] {
        let why = "every process must name its module and its scheduler";
        tags::find(item, name).ok_or(FormError::MissingTag { name, why })?;
    }
    settlement_depth(item)?;
    match tags::find(item, tags::ON_BOOT) {
        None | Some(values::BOOT_DATA) => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            FormError::invalid(
                tags::ON_BOOT,
                format!("expected Data or the id of a transaction, not {text:?}"),
            )
        }),
    }
}

/// How many confirmations a process wants to see of what is assigned to it, if it says.
///
/// # Errors
/// When what it says is no number.
pub fn settlement_depth(process: &Item<'_>) -> Result<Option<u64>, FormError> {
    let Some(text) = tags::find(process, tags::SETTLEMENT_DEPTH) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        FormError::invalid(
            tags::SETTLEMENT_DEPTH,
            format!("expected a number of confirmations, not {text:?}"),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::{Draft, Ed25519Wallet, Tag};

    use super::*;

    const NAMED: [(&str, &str); 2] = [("Module", "m"), ("Scheduler", "s")];

    fn checked(tags: &[(&str, &str)]) -> Result<Option<Id>, FormError> {
        let tags: Vec<_> = tags.iter().map(|(name, value)| Tag { name, value }).collect();
        let bytes =
            Draft { tags: &tags, ..Draft::default() }.sign(&Ed25519Wallet::from_seed([1; 32])).unwrap();
        let item = Item::parse(&bytes).unwrap();
        check_tags(&item).and_then(|()| check_spawn(&item))
    }

    #[test]
    fn a_process_names_what_it_needs_in_a_form_that_nodes_take() {
        let id = Id::from_bytes([7; 32]);
        assert_eq!(checked(&NAMED), Ok(None));
        assert_eq!(
            checked(&[&NAMED[..], &[("On-Boot", "Data"), ("Settlement-Depth", "3")]].concat()),
            Ok(None)
        );
        assert_eq!(checked(&[&NAMED[..], &[("On-Boot", &id.to_string())]].concat()), Ok(Some(id)));
        let refused = |tags: &[(&str, &str)]| {
            let error = checked(tags).unwrap_err();
            (error.code(), error.to_string())
        };
        for (tags, code, name) in [
            (&NAMED[..1], Code::MissingTag, "Scheduler"),
            (&NAMED[1..], Code::MissingTag, "Module"),
            (&[NAMED[0], NAMED[1], ("On-Boot", "junk")], Code::InvalidTag, "On-Boot"),
            (&[NAMED[0], NAMED[1], ("Settlement-Depth", "-1")], Code::InvalidTag, "Settlement-Depth"),
            (&[NAMED[0], NAMED[1], ("Data+link", "x")], Code::InvalidTag, "Data+link"),
        ] {
            let (told, text) = refused(tags);
            assert_eq!(told, code, "{text}");
            assert!(text.contains(name), "{text}");
        }
    }
}
