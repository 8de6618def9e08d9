//! Making the items that `spawn`, `send` and `bench` post.

use std::convert::Infallible;
use std::io::{self, Read};
use std::path::PathBuf;
use std::str::FromStr;
use std::{fs, iter};

use ans104::{Draft, Id, SignError, Signer, Tag, base64url};
use protocol::{tags, values};

/// Why an item cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The data cannot be read.
    #[error("cannot read the data from {from}")]
    Data {
        /// The file, or standard input.
        from: String,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The wallet does not sign.
    #[error("cannot sign the item")]
    Sign(#[from] SignError),
}

/// A tag on the command line: `Name=Value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagArg {
    name: String,
    value: String,
}

/// A text is not a tag.
#[derive(Debug, thiserror::Error)]
#[error("expected Name=Value")]
pub struct NotATag;

impl FromStr for TagArg {
    type Err = NotATag;

    fn from_str(text: &str) -> Result<Self, NotATag> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err(NotATag),
        }
    }
}

/// Where the data of an item comes from: `TEXT`, `@FILE`, or `-` for standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataArg {
    /// The argument itself.
    Text(String),
    /// The content of a file.
    File(PathBuf),
    /// Standard input to its end.
    Stdin,
}

impl FromStr for DataArg {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.strip_prefix('@') {
            Some(path) => Self::File(path.into()),
            None if text == "-" => Self::Stdin,
            None => Self::Text(text.to_owned()),
        })
    }
}

impl DataArg {
    /// The bytes.
    ///
    /// # Errors
    /// When the file or standard input cannot be read.
    pub fn read(&self) -> Result<Vec<u8>, ComposeError> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::File(path) => {
                fs::read(path).map_err(|error| ComposeError::Data { from: path.display().to_string(), error })
            }
            Self::Stdin => {
                let mut bytes = Vec::new();
                let read = io::stdin().lock().read_to_end(&mut bytes);
                read.map_err(|error| ComposeError::Data { from: "standard input".to_owned(), error })?;
                Ok(bytes)
            }
        }
    }
}

/// A signed item: the tags of the protocol, then the `own` ones of its type, then the user's; a user's tag takes
/// the place of those before it that have its name. The anchor is random text, so that equal items differ.
///
/// # Errors
/// When the wallet does not sign.
pub fn signed(
    signer: &dyn Signer,
    target: Option<Id>,
    own: &[(&str, &str)],
    user: &[TagArg],
    data: &[u8],
) -> Result<Vec<u8>, ComposeError> {
    let given = |name: &str| user.iter().any(|tag| tag.name == name);
    let tags: Vec<Tag<'_>> = iter::once(&(tags::DATA_PROTOCOL, values::AO))
        .chain(own)
        .chain(iter::once(&(tags::VARIANT, values::AO_TN_1)))
        .filter(|(name, _)| !given(name))
        .map(|(name, value)| Tag::new(name, value))
        .chain(user.iter().map(|tag| Tag::new(&tag.name, &tag.value)))
        .collect();
    let target = target.as_ref().map(Id::as_bytes);
    let draft = Draft { target, anchor: Some(&random_anchor()), tags: &tags, data };
    Ok(draft.sign(signer)?)
}

/// 32 characters of text: unlike 32 random bytes they are readable in every answer.
fn random_anchor() -> [u8; 32] {
    let text = base64url::encode(&rand::random::<[u8; 24]>());
    let mut anchor = [0; 32];
    for (byte, character) in anchor.iter_mut().zip(text.bytes()) {
        *byte = character;
    }
    anchor
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::{Ed25519Wallet, Item};

    use super::*;

    #[test]
    fn tags_have_a_name_and_a_value() {
        let tag = |text: &str| text.parse::<TagArg>().ok().map(|tag| (tag.name, tag.value));
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(tag("A=b"), pair("A", "b"));
        assert_eq!(tag("A=b=c"), pair("A", "b=c"));
        for text in ["", "A", "=b", "A="] {
            assert_eq!(tag(text), None, "{text}");
        }
    }

    #[test]
    fn data_is_text_or_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"\xff\x00").unwrap();
        let data = |text: &str| text.parse::<DataArg>().unwrap();
        assert_eq!(data("text").read().unwrap(), b"text");
        assert_eq!(data("").read().unwrap(), b"");
        assert_eq!(data(&format!("@{}", file.path().display())).read().unwrap(), b"\xff\x00");
        assert_eq!(data("-"), DataArg::Stdin);
        assert!(data("@/no/such/file").read().is_err());
    }

    #[test]
    fn items_are_signed_and_carry_the_tags_in_order() {
        let wallet = Ed25519Wallet::from_seed([1; 32]);
        let user = ["Variant=other".parse().unwrap(), "X=1".parse().unwrap(), "X=2".parse().unwrap()];
        let target = Id::from_bytes([7; 32]);
        let make = || signed(&wallet, Some(target), &[("Type", "Message")], &user, b"data").unwrap();
        let (first, second) = (make(), make());
        let item = Item::parse(&first).unwrap();
        item.verify().unwrap();
        let tags: Vec<_> = item.tags().map(|tag| tag.unwrap()).map(|tag| (tag.name, tag.value)).collect();
        let expected =
            [("Data-Protocol", "ao"), ("Type", "Message"), ("Variant", "other"), ("X", "1"), ("X", "2")];
        assert_eq!(tags, expected);
        assert_eq!((item.target(), item.data()), (Some(&[7; 32]), b"data".as_slice()));
        assert!(std::str::from_utf8(item.anchor().unwrap()).is_ok());
        assert_ne!(item.id(), Item::parse(&second).unwrap().id());
    }
}
