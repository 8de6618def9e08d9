//! What a gateway is asked before something is scheduled: whether what is to be assigned is there and deep enough,
//! what it says, and whether what a process boots from exists.

use std::ops::{ControlFlow, RangeInclusive};

use ans104::{Id, Tag, base64url};
use gateway::{Gateway, Transaction};
use log::{DeepHash, EventRef, Log, ReadError};
use protocol::{Nonce, ProcessId, tags};

use crate::content::Content;
use crate::error::ScheduleError;

/// How many confirmations a process wants to see that does not say (protocol: `Settlement-Depth`).
const SETTLEMENT_DEPTH: u64 = 20;

/// Refuses a process that boots from what no gateway has.
pub(crate) async fn check_boot(gateway: &dyn Gateway, boots_from: Id) -> Result<(), ScheduleError> {
    if gateway.exists(boots_from).await? {
        return Ok(());
    }
    Err(ScheduleError::InvalidTag {
        name: tags::ON_BOOT.to_owned(),
        reason: format!("expected Data or a transaction that a gateway has; none has {boots_from}"),
    })
}

/// Refuses a base-layer transaction that is not as deep in the chain as the process wants.
pub(crate) async fn check_depth(gateway: &dyn Gateway, id: Id, needed: u64) -> Result<(), ScheduleError> {
    let found = gateway.confirmations(id).await?.ok_or(ScheduleError::NoTransaction(id))?;
    let confirmations = found.number_of_confirmations;
    match found.block_height {
        Some(_) if confirmations >= needed => Ok(()),
        _ => Err(ScheduleError::NotConfirmed { id, confirmations, needed }),
    }
}

/// The content hash of a message that is in a bundle on chain; refuses what no gateway knows.
pub(crate) async fn content_hash(
    gateway: &dyn Gateway,
    id: Id,
    deep_hash_checks: bool,
) -> Result<Option<DeepHash>, ScheduleError> {
    let transaction = gateway.transaction(id).await?.ok_or(ScheduleError::NoTransaction(id))?;
    if !deep_hash_checks {
        return Ok(None);
    }
    let data = gateway.raw(id).await?.ok_or(ScheduleError::NoTransaction(id))?;
    hash(&transaction, &data).map(Some)
}

fn hash(transaction: &Transaction, data: &[u8]) -> Result<DeepHash, ScheduleError> {
    let decode = |text: &str, field: &'static str| {
        base64url::decode(text).map_err(|_| ScheduleError::BadTransaction { id: transaction.id, field })
    };
    let target = decode(&transaction.recipient, "recipient")?;
    let anchor = decode(&transaction.anchor, "anchor")?;
    let tags = transaction.tags.iter().map(|(name, value)| Tag { name, value }).collect();
    Ok(Content { target: &target, anchor: &anchor, tags, data }.hash())
}

/// How many confirmations a process wants to see of what is assigned to it.
pub(crate) fn settlement_depth(log: &dyn Log, process: ProcessId) -> Result<u64, ScheduleError> {
    let mut depth = None;
    first_event(log, process, &mut |event| {
        depth = event.item().and_then(|item| item.tag(tags::SETTLEMENT_DEPTH)).map(str::to_owned);
    })?;
    let Some(text) = depth else { return Ok(SETTLEMENT_DEPTH) };
    text.parse().map_err(|_| ScheduleError::InvalidTag {
        name: tags::SETTLEMENT_DEPTH.to_owned(),
        reason: format!("the process says {text:?}, expected a number of confirmations"),
    })
}

/// Visits the event that spawned a process; tells whether it is there.
pub(crate) fn first_event(
    log: &dyn Log,
    process: ProcessId,
    visit: &mut dyn FnMut(EventRef<'_>),
) -> Result<bool, ReadError> {
    const FIRST: RangeInclusive<Nonce> = Nonce::ZERO..=Nonce::ZERO;
    let mut found = false;
    log.range(process, true, FIRST, &mut |event| {
        found = true;
        visit(event);
        ControlFlow::Break(())
    })?;
    Ok(found)
}
