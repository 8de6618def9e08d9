//! From an item's JSON back to its bytes, to verify what was signed.

use ans104::{Address, Draft, Id, Item, SignError, SignatureType, Signer, Tag, base64url};

use crate::client::ClientItem;

/// Stands in JSON for bytes that are not text.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// What is wrong with an item's JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A field is not what it must be.
    #[error("its {0} is malformed")]
    Malformed(&'static str),
    /// The id is not that of the signature.
    #[error("its id is not SHA-256 of its signature")]
    Id,
    /// The address is not that of the key.
    #[error("its owner's address is not SHA-256 of the key")]
    Address,
    /// The signature is not one of what the JSON says.
    #[error("its signature does not verify")]
    Signature,
    /// JSON does not hold all that was signed, so nothing can be said: not a flaw.
    #[error("it holds bytes that JSON cannot show")]
    Lost,
}

/// The bytes of the item, whose signature is verified.
///
/// # Errors
/// When it does not verify, or that cannot be told.
pub fn verified(json: &ClientItem) -> Result<Vec<u8>, Problem> {
    let signature = base64url::decode(&json.signature).map_err(|_| Problem::Malformed("signature"))?;
    let id = json.id.parse::<Id>().map_err(|_| Problem::Malformed("id"))?;
    if id != Id::of_signature(&signature) {
        return Err(Problem::Id);
    }
    let owner = base64url::decode(&json.owner.key).map_err(|_| Problem::Malformed("owner"))?;
    if json.owner.address.parse() != Ok(Address::of_owner(&owner)) {
        return Err(Problem::Address);
    }
    let target = match json.target.as_deref().unwrap_or_default() {
        "" => None,
        text => Some(text.parse::<Id>().map_err(|_| Problem::Malformed("target"))?),
    };
    let anchor = anchor(json.anchor.as_deref())?;
    let tags: Vec<_> = json.tags.iter().map(|tag| Tag::new(&tag.name, &tag.value)).collect();
    let data = json.data.as_deref().unwrap_or_default();
    let target = target.as_ref().map(Id::as_bytes);
    let draft = Draft { target, anchor: anchor.as_ref(), tags: &tags, data: data.as_bytes() };
    // JSON does not tell the type; several have fields of the same lengths.
    let types = SignatureType::ALL.into_iter().filter(|signature_type| {
        (signature_type.signature_len(), signature_type.owner_len()) == (signature.len(), owner.len())
    });
    for signature_type in types {
        let signed = Signed { signature_type, owner: &owner, signature: &signature };
        let bytes = draft.sign(&signed).map_err(|_| Problem::Signature)?;
        if Item::split(&bytes).is_ok_and(|item| item.verify().is_ok()) {
            return Ok(bytes);
        }
    }
    let lost = json.anchor.is_none() || data.contains(REPLACEMENT);
    Err(if lost { Problem::Lost } else { Problem::Signature })
}

/// An anchor is text of 32 bytes, or where these are not text their base64url, which is longer.
fn anchor(text: Option<&str>) -> Result<Option<[u8; 32]>, Problem> {
    let text = match text {
        None | Some("") => return Ok(None),
        Some(text) => text,
    };
    let as_text = <[u8; 32]>::try_from(text.as_bytes()).ok();
    let encoded = || text.parse::<Id>().ok().map(|bytes| *bytes.as_bytes());
    as_text.or_else(encoded).map(Some).ok_or(Problem::Malformed("anchor"))
}

/// A signer that gives the signature that was given before.
struct Signed<'a> {
    signature_type: SignatureType,
    owner: &'a [u8],
    signature: &'a [u8],
}

impl Signer for Signed<'_> {
    fn signature_type(&self) -> SignatureType {
        self.signature_type
    }

    fn owner(&self) -> &[u8] {
        self.owner
    }

    fn address(&self) -> Address {
        Address::of_owner(self.owner)
    }

    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.signature.to_vec())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::testing::item_json;

    /// Items that another implementation signed, of every type.
    #[test]
    fn foreign_items_are_rebuilt_byte_for_byte_or_known_as_lost() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/vectors");
        let manifest = fs::read(folder.join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        let (mut rebuilt, mut lost) = (0, 0);
        for vector in manifest.as_array().unwrap() {
            if vector["valid"] != true {
                continue;
            }
            let name = vector["file"].as_str().unwrap();
            let bytes = fs::read(folder.join(name)).unwrap();
            match verified(&item_json(&bytes)) {
                Ok(again) => {
                    assert_eq!(again, bytes, "{name}");
                    rebuilt += 1;
                }
                Err(Problem::Lost) => lost += 1,
                Err(problem) => panic!("{name}: {problem}"),
            }
        }
        assert!(rebuilt > lost && lost > 0, "{rebuilt} rebuilt, {lost} lost");
    }
}
