//! Data items, put together again from what is shown of them as JSON.
//!
//! JSON shows neither the type of a signature nor how tags were written, data that is no text is not what it was, and
//! anchors that are no text are often left out. So what is made of it is tried, and taken only when its signature holds.

use ans104::{Id, Item, SignatureType, Tag, base64url, encode_tags};
use serde::Deserialize;
use thiserror::Error;

/// A data item as schedulers show it.
#[derive(Clone, Debug, Deserialize)]
pub struct ShownItem {
    /// The id.
    #[serde(alias = "process_id")]
    pub id: String,
    /// Who signed it.
    pub owner: ShownOwner,
    /// The tags in their order.
    pub tags: Vec<ShownTag>,
    /// The signature.
    pub signature: String,
    /// The anchor as text, or as base64url; none or nothing where there is none, or it is no text.
    #[serde(default)]
    pub anchor: Option<String>,
    /// The target; none or nothing where there is none.
    #[serde(default)]
    pub target: Option<String>,
    /// The data, with marks in the place of what is no text.
    #[serde(default)]
    pub data: Option<String>,
}

/// Who signed an item.
#[derive(Clone, Debug, Deserialize)]
pub struct ShownOwner {
    /// The public key.
    #[serde(default)]
    pub key: String,
}

/// A tag of an item.
#[derive(Clone, Debug, Deserialize)]
pub struct ShownTag {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// What JSON cannot show, where it is known from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct HiddenParts {
    /// The anchor.
    pub anchor: Option<Vec<u8>>,
    /// The data.
    pub data: Option<Vec<u8>>,
}

/// Why no item is made of what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AssembleError {
    /// A field is not what it should be.
    #[error("its {0} is not as schedulers show it")]
    Field(&'static str),
    /// The id is that of another signature.
    #[error("its id is not that of its signature")]
    OtherId,
    /// What is shown is not all that was signed.
    #[error("its signature does not hold for what is shown of it")]
    Incomplete,
}

impl ShownItem {
    /// The value of the first tag of this name.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|tag| tag.name == name).map(|tag| tag.value.as_str())
    }

    /// The bytes of the item, of which id and signature hold.
    ///
    /// # Errors
    /// When nothing that this could stand for has this signature.
    pub fn assemble(&self, hidden: &HiddenParts) -> Result<Vec<u8>, AssembleError> {
        let decode = |text: &str, field| base64url::decode(text).map_err(|_| AssembleError::Field(field));
        let (signature, owner) = (decode(&self.signature, "signature")?, decode(&self.owner.key, "owner")?);
        if Id::of_signature(&signature).to_string() != self.id {
            return Err(AssembleError::OtherId);
        }
        let target = match self.target.as_deref() {
            None | Some("") => Vec::new(),
            Some(text) => decode(text, "target")?,
        };
        let data = hidden.data.as_deref().or(self.data.as_deref().map(str::as_bytes)).unwrap_or_default();
        let (anchors, tags) = (self.anchors(hidden), self.raw_tags());
        for kind in kinds(&signature, &owner) {
            for anchor in &anchors {
                for tags in &tags {
                    let count = self.tags.len() as u64;
                    let parts = Parts { kind, signature: &signature, owner: &owner, target: &target };
                    let bytes = parts.write(anchor, count, tags, data);
                    if Item::split(&bytes).is_ok_and(|item| item.verify().is_ok()) {
                        return Ok(bytes);
                    }
                }
            }
        }
        Err(AssembleError::Incomplete)
    }

    /// The bytes of the item as it is shown, whether its signature holds or not: whoever verifies it finds that out. None
    /// where some of it may not be shown.
    pub fn as_shown(&self) -> Option<Vec<u8>> {
        let is_text = |text: &str| !text.contains(char::REPLACEMENT_CHARACTER);
        let data = self.data.as_deref().filter(|data| is_text(data))?;
        let is_whole = self.tags.iter().all(|tag| is_text(&tag.name) && is_text(&tag.value));
        let anchor = self
            .anchors(&HiddenParts::default())
            .into_iter()
            .find(|anchor| !anchor.is_empty() && is_whole)?;
        let decode = |text: &str| base64url::decode(text).ok();
        let (signature, owner) = (decode(&self.signature)?, decode(&self.owner.key)?);
        let target = decode(self.target.as_deref().unwrap_or_default())?;
        let kind = kinds(&signature, &owner).next()?;
        let tags = self.raw_tags();
        let parts = Parts { kind, signature: &signature, owner: &owner, target: &target };
        Some(parts.write(&anchor, self.tags.len() as u64, tags.first()?, data.as_bytes()))
    }

    /// What the anchor may be.
    fn anchors(&self, hidden: &HiddenParts) -> Vec<Vec<u8>> {
        let shown = self.anchor.as_deref().unwrap_or_default();
        let decoded = base64url::decode(shown).ok().filter(|anchor| anchor.len() == ANCHOR);
        let text = Some(shown.as_bytes().to_vec()).filter(|anchor| anchor.len() == ANCHOR);
        let hidden = hidden.anchor.clone().filter(|anchor| anchor.len() == ANCHOR);
        let found: Vec<_> = [hidden, text, decoded].into_iter().flatten().collect();
        if found.is_empty() { vec![Vec::new()] } else { found }
    }

    /// How the tags may have been written.
    fn raw_tags(&self) -> Vec<Vec<u8>> {
        let tags: Vec<_> = self.tags.iter().map(|tag| Tag { name: &tag.name, value: &tag.value }).collect();
        let usual = encode_tags(&tags);
        if tags.is_empty() {
            return vec![usual, vec![0]];
        }
        let without_end = usual.split_last().map(|(_, rest)| rest.to_vec()).unwrap_or_default();
        vec![usual, without_end]
    }
}

/// The types of signatures that have these lengths.
fn kinds(signature: &[u8], owner: &[u8]) -> impl Iterator<Item = SignatureType> {
    let (signature, owner) = (signature.len(), owner.len());
    let all = SignatureType::ALL.iter().copied();
    all.filter(move |kind| kind.signature_len() == signature && kind.owner_len() == owner)
}

const ANCHOR: usize = 32;

struct Parts<'a> {
    kind: SignatureType,
    signature: &'a [u8],
    owner: &'a [u8],
    target: &'a [u8],
}

impl Parts<'_> {
    fn write(&self, anchor: &[u8], tag_count: u64, tags: &[u8], data: &[u8]) -> Vec<u8> {
        let mut bytes = self.kind.code().to_le_bytes().to_vec();
        bytes.extend_from_slice(self.signature);
        bytes.extend_from_slice(self.owner);
        for part in [self.target, anchor] {
            bytes.push(u8::from(!part.is_empty()));
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&tag_count.to_le_bytes());
        bytes.extend_from_slice(&(tags.len() as u64).to_le_bytes());
        bytes.extend_from_slice(tags);
        bytes.extend_from_slice(data);
        bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use testing::SampleUser;

    use super::*;

    fn shown(bytes: &[u8]) -> ShownItem {
        let item = Item::split(bytes).unwrap();
        let tags = item.tags().map(Result::unwrap);
        ShownItem {
            id: item.id().to_string(),
            owner: ShownOwner { key: base64url::encode(item.owner()) },
            tags: tags.map(|tag| ShownTag { name: tag.name.into(), value: tag.value.into() }).collect(),
            signature: base64url::encode(item.signature()),
            anchor: item.anchor().and_then(|anchor| String::from_utf8(anchor.to_vec()).ok()),
            target: item.target().map(|target| base64url::encode(target)),
            data: Some(String::from_utf8_lossy(item.data()).into_owned()),
        }
    }

    #[test]
    fn what_is_shown_whole_is_made_again_whoever_signed_it() {
        for number in 0..8 {
            for tags in [&[][..], &[("a", "b"), ("c", "ü")]] {
                let user = SampleUser::new(number);
                let made = user.item(None, tags, b"text").to_vec();
                assert_eq!(shown(&made).assemble(&HiddenParts::default()).as_ref(), Ok(&made));
            }
        }
    }

    #[test]
    fn what_is_shown_whole_and_was_not_signed_so_can_be_verified_elsewhere() {
        use ans104::{Draft, Ed25519Wallet};
        let wallet = Ed25519Wallet::from_seed([3; 32]);
        let draft = |data| Draft { target: None, anchor: Some(&[b'a'; 32]), tags: &[], data };
        let seen = shown(&draft(b"1 + 1").sign(&wallet).unwrap());
        let forged = ShownItem { data: Some("9 + 9".into()), ..seen.clone() };
        assert_eq!(forged.assemble(&HiddenParts::default()), Err(AssembleError::Incomplete));
        let bytes = forged.as_shown().unwrap();
        let item = Item::split(&bytes).unwrap();
        assert_eq!((item.data(), item.id().to_string()), (&b"9 + 9"[..], seen.id.clone()));
        assert!(item.verify().is_err());
        // What may be more than is shown accuses nobody.
        for hides in [
            ShownItem { data: Some("\u{fffd}".into()), ..seen.clone() },
            ShownItem { data: None, ..seen.clone() },
            ShownItem { anchor: None, ..seen },
        ] {
            assert_eq!(hides.as_shown(), None);
        }
    }

    #[test]
    fn what_json_cannot_show_is_asked_for_and_taken_only_with_its_signature() {
        let made = SampleUser::new(1).item(None, &[("a", "b")], [0xFF, 0, 1]).to_vec();
        let seen = shown(&made);
        assert_eq!(seen.assemble(&HiddenParts::default()), Err(AssembleError::Incomplete));
        let hidden = |data: &[u8]| HiddenParts { data: Some(data.to_vec()), anchor: None };
        assert_eq!(seen.assemble(&hidden(&[0xFF, 0, 1])).as_ref(), Ok(&made));
        assert_eq!(seen.assemble(&hidden(&[0xFF, 0, 2])), Err(AssembleError::Incomplete));
        let other =
            ShownItem { id: shown(SampleUser::new(2).item(None, &[], b"").as_ref()).id, ..seen.clone() };
        assert_eq!(other.assemble(&hidden(&[0xFF, 0, 1])), Err(AssembleError::OtherId));
        let field = ShownItem { signature: "?".into(), ..seen };
        assert_eq!(field.assemble(&HiddenParts::default()), Err(AssembleError::Field("signature")));
    }

    #[test]
    fn anchors_are_taken_as_text_as_base64url_and_from_elsewhere() {
        use ans104::{Draft, Ed25519Wallet};
        let wallet = Ed25519Wallet::from_seed([3; 32]);
        for anchor in [[b'a'; 32], [0xFE; 32]] {
            let draft = Draft { target: None, anchor: Some(&anchor), tags: &[], data: b"d" };
            let made = draft.sign(&wallet).unwrap();
            let plain = shown(&made);
            let encoded = ShownItem { anchor: Some(base64url::encode(&anchor)), ..plain.clone() };
            assert_eq!(encoded.assemble(&HiddenParts::default()).as_ref(), Ok(&made));
            let hidden = HiddenParts { anchor: Some(anchor.to_vec()), data: None };
            let without = ShownItem { anchor: None, ..plain.clone() };
            assert_eq!(without.assemble(&hidden).as_ref(), Ok(&made));
            assert!(without.assemble(&HiddenParts::default()).is_err());
            assert_eq!(plain.assemble(&HiddenParts::default()).is_ok(), anchor == [b'a'; 32]);
        }
    }
}
