//! The owners that a page shows again and again, rendered once.

use ans104::{Address, base64url};

/// How many owners are kept: enough for the scheduler and the few that a stretch of a process hears from.
const KEPT: usize = 8;

/// What is around the address and the key.
const BEFORE: &[u8] = b"{\"address\":\"";
const BETWEEN: &[u8] = b"\",\"key\":\"";
const BEHIND: &[u8] = b"\"}";

/// Recently rendered owners.
#[derive(Default)]
pub(super) struct Owners {
    kept: Vec<Rendered>,
    /// Which one gives way next.
    oldest: usize,
}

struct Rendered {
    key: Vec<u8>,
    json: Vec<u8>,
}

impl Owners {
    /// Appends `{"address", "key"}` of the owner that has this public key.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, key: &[u8]) {
        self.with(key, |json| out.extend_from_slice(json));
    }

    /// Hands out the address of this public key and the key, both as base64url.
    pub(super) fn parts(&mut self, key: &[u8], write: impl FnOnce(&[u8], &[u8])) {
        self.with(key, |json| {
            let texts = json.strip_prefix(BEFORE).and_then(|json| json.strip_suffix(BEHIND));
            let (address, rest) =
                texts.unwrap_or_default().split_at_checked(Address::TEXT_LEN).unwrap_or_default();
            write(address, rest.strip_prefix(BETWEEN).unwrap_or_default());
        });
    }

    fn with(&mut self, key: &[u8], write: impl FnOnce(&[u8])) {
        match self.kept.iter().find(|owner| owner.key == key) {
            Some(owner) => write(&owner.json),
            None => {
                let json = render(key);
                write(&json);
                self.keep(Rendered { key: key.to_vec(), json });
            }
        }
    }

    fn keep(&mut self, owner: Rendered) {
        match self.kept.get_mut(self.oldest) {
            Some(place) => *place = owner,
            None => self.kept.push(owner),
        }
        self.oldest = (self.oldest + 1) % KEPT;
    }
}

fn render(key: &[u8]) -> Vec<u8> {
    let mut json = Vec::with_capacity(80 + key.len().div_ceil(3) * 4);
    json.extend_from_slice(BEFORE);
    base64url::encode_append(&mut json, Address::of_owner(key).as_bytes());
    json.extend_from_slice(BETWEEN);
    base64url::encode_append(&mut json, key);
    json.extend_from_slice(BEHIND);
    json
}
