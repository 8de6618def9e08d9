//! What a gateway is asked before something is scheduled: what it says of what is to be assigned, and whether what a
//! process boots from exists.

use ans104::{Address, Id, Tag, base64url};
use gateway::{Gateway, Transaction};
use log::DeepHash;
use protocol::tags;

use crate::classes::Pushed;
use crate::content::Content;
use crate::error::ScheduleError;

/// Refuses a process that boots from what no gateway has.
pub(crate) async fn check_boot(gateway: &dyn Gateway, boots_from: Id) -> Result<(), ScheduleError> {
    if gateway.exists(boots_from).await? {
        return Ok(());
    }
    Err(ScheduleError::InvalidTag {
        name: tags::ON_BOOT.to_owned(),
        reason: format!("expected Data or a transaction known to a gateway; none knows {boots_from}"),
    })
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
    // Who is named otherwise than by an address is no authority, and in a class of their own.
    let named = &transaction.owner.address;
    let signer = named.parse().unwrap_or_else(|_| Address::of_owner(named.as_bytes()));
    Ok(Some(Pushed { hash: hash(&transaction, data)?, signer }))
}

fn hash(transaction: &Transaction, data: DeepHash) -> Result<DeepHash, ScheduleError> {
    let decode = |text: &str, field: &'static str| {
        base64url::decode(text).map_err(|_| ScheduleError::BadTransaction { id: transaction.id, field })
    };
    let target = decode(&transaction.recipient, "recipient")?;
    let anchor = decode(&transaction.anchor, "anchor")?;
    let tags = transaction.tags.iter().map(|(name, value)| Tag { name, value }).collect();
    Ok(Content { target: &target, anchor: &anchor, tags, data }.hash())
}
