//! What a gateway is asked before something is scheduled: what it says of what is to be assigned, and whether what a
//! process boots from exists.

use ans104::{Address, Id, Tag, base64url};
use gateway::{Gateway, Transaction, TransactionOwner};
use log::DeepHash;
use protocol::{FormError, tags};

use crate::classes::Pushed;
use crate::content::Content;
use crate::error::ScheduleError;

/// Refuses a process that boots from what no gateway has.
pub(crate) async fn check_boot(gateway: &dyn Gateway, boots_from: Id) -> Result<(), ScheduleError> {
    if gateway.exists(boots_from).await? {
        return Ok(());
    }
    Err(ScheduleError::Form(FormError::InvalidTag {
        name: tags::ON_BOOT.to_owned(),
        reason: format!("expected Data or a transaction known to a gateway; none knows {boots_from}"),
    }))
}

/// What a message that is in a bundle on chain is told apart by; refuses what no gateway knows.
pub(crate) async fn pushed(
    gateway: &dyn Gateway,
    id: Id,
    deep_hash_checks: bool,
) -> Result<Option<Pushed>, ScheduleError> {
    let transaction = gateway.transaction(id).await?.ok_or(ScheduleError::NoTransaction(id))?;
    if !deep_hash_checks {
        return Ok(None);
    }
    let data = gateway.data_hash(id).await?.ok_or(ScheduleError::NoTransaction(id))?;
    told_apart(&transaction, data).map(Some)
}

/// Who signed it: the address of the key, as in the item itself. Gateways name the owners of some keys by addresses of
/// another chain, and do not have every key.
fn signer(owner: &TransactionOwner) -> Address {
    if let Some(key) = base64url::decode(&owner.key).ok().filter(|key| !key.is_empty()) {
        return Address::of_owner(&key);
    }
    // Who is named otherwise than by an address is no authority, and in a class of their own.
    let named = &owner.address;
    named.parse().unwrap_or_else(|_| Address::of_owner(named.as_bytes()))
}

fn told_apart(transaction: &Transaction, data: DeepHash) -> Result<Pushed, ScheduleError> {
    let decode = |text: &str, field: &'static str| {
        base64url::decode(text).map_err(|_| ScheduleError::BadTransaction { id: transaction.id, field })
    };
    let target = decode(&transaction.recipient, "recipient")?;
    let anchor = decode(&transaction.anchor, "anchor")?;
    let tags = transaction.tags.iter().map(|(name, value)| Tag { name, value }).collect();
    let content = Content { target: &target, anchor: &anchor, tags, data };
    Ok(content.signed_by(signer(&transaction.owner)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use testing::SampleUser;

    use super::*;

    #[test]
    fn the_signer_is_known_by_the_key_whatever_the_gateway_calls_it() {
        let user = SampleUser::new(1);
        let (key, address) = (base64url::encode(user.signer().owner()), user.signer().address());
        let ethereum = "0x8ba1f109551bD432803012645Ac136ddd64DBA72";
        let signer = |key: &str, address: &str| {
            signer(&TransactionOwner { key: key.to_owned(), address: address.to_owned() })
        };
        assert_eq!(signer(&key, ethereum), address);
        assert_eq!(signer(&key, &SampleUser::new(2).signer().address().to_string()), address);
        // Without a key the address counts.
        assert_eq!(signer("", &address.to_string()), address);
        assert_eq!(signer("no key!", &address.to_string()), address);
        assert_eq!(signer("", ethereum), signer("", ethereum));
        assert_ne!(signer("", ethereum), signer("", "another"));
    }
}
