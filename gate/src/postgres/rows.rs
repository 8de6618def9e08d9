//! What a gate holds as its tables have it.

use bytes::Bytes;
use log::{LogDigest, NodeId, StoreId, Term};
use sqlx::Postgres;
use sqlx::Row;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use uuid::Uuid;

use crate::contract::{Durability, GateError};
use crate::place::{ClaimId, GateClaim, GateContents, GatePlace};
use crate::record::{GateRecord, RecordBody};

/// The row that says where the records end.
pub(super) const END: &str = "select store::text, records, events, digest, claim::text, term, owner::text \
     from quipu_gate.log_end";

/// The same, which nobody else changes from then on.
pub(super) const LOCKED_END: &str = "select store::text, records, events, digest, claim::text, term, owner::text \
     from quipu_gate.log_end for update";

/// The same, written for no other reason than to be waited for: with it all that was seen is in other copies.
pub(super) const SETTLE: &str = "update quipu_gate.log_end set settled = settled + 1 \
     returning store::text, records, events, digest, claim::text, term, owner::text";

/// Puts a record where it comes next, if it does.
const TAKE_CLAIM: &str = "with moved as (update quipu_gate.log_end \
         set store = $1::uuid, records = $2 + 1, events = $5, digest = $6, claim = $7::uuid, term = $8, owner = $9::uuid \
         where records = $2 and events = $3 and digest = $4 and (store is null or store = $1::uuid) \
         and (term is null or term < $8) returning 1) \
     insert into quipu_gate.records (number, record) select $2, $10 from moved";
const TAKE_BATCH: &str = "with moved as (update quipu_gate.log_end \
         set records = $2 + 1, events = $5, digest = $6 \
         where records = $2 and events = $3 and digest = $4 and store = $1::uuid \
         and claim = $7::uuid and term = $8 and owner = $9::uuid returning 1) \
     insert into quipu_gate.records (number, record) select $2, $10 from moved";

/// The statement that puts a record.
pub(super) fn take<'a>(
    record: &GateRecord,
    bytes: &'a [u8],
) -> Result<Query<'a, Postgres, PgArguments>, GateError> {
    let sql = match record.body {
        RecordBody::Claim => TAKE_CLAIM,
        RecordBody::Batch(_) => TAKE_BATCH,
    };
    let (before, after) = (record.before, record.after());
    Ok(sqlx::query(sql)
        .bind(record.store.to_string())
        .bind(column(before.records)?)
        .bind(column(before.events)?)
        .bind(before.digest.as_bytes().to_vec())
        .bind(column(after.events)?)
        .bind(after.digest.as_bytes().to_vec())
        .bind(record.claim.id.0.to_string())
        .bind(column(record.claim.term.0)?)
        .bind(record.claim.owner.to_string())
        .bind(bytes))
}

/// What the row of the end says; none while nothing is there.
pub(super) fn contents(row: &PgRow, durability: Durability) -> Result<Option<GateContents>, GateError> {
    let (records, events) = (number(row, "records")?, number(row, "events")?);
    if records == 0 {
        return Ok(None);
    }
    let digest: Vec<u8> = get(row, "digest")?;
    let digest =
        digest.try_into().map_err(|_| damaged(records, "the digest at the end has another length"))?;
    let end = GatePlace { records, events, digest: LogDigest::from_bytes(digest) };
    let id = |name: &str| {
        let text: String = get(row, name)?;
        Uuid::parse_str(&text).map_err(|error| damaged(records, &format!("{name} at the end: {error}")))
    };
    let claim = GateClaim {
        id: ClaimId(id("claim")?),
        term: Term(number(row, "term")?),
        owner: NodeId(id("owner")?),
    };
    Ok(Some(GateContents { store: StoreId(id("store")?), end, claim, durability }))
}

/// A record, which must be that of this number.
pub(super) fn record(row: &PgRow, expected: u64) -> Result<GateRecord, GateError> {
    if number(row, "number")? != expected {
        return Err(damaged(expected, "it is missing"));
    }
    let bytes: Vec<u8> = get(row, "record")?;
    let record =
        GateRecord::decode(&Bytes::from(bytes)).map_err(|error| damaged(expected, &error.to_string()))?;
    if record.number() == expected {
        Ok(record)
    } else {
        Err(damaged(expected, "another one is in its place"))
    }
}

/// A number as a column has it.
pub(super) fn column(number: u64) -> Result<i64, GateError> {
    let beyond = |_| GateError::Unfit(format!("Postgres has no number as large as {number}"));
    i64::try_from(number).map_err(beyond)
}

pub(super) fn damaged(number: u64, reason: &str) -> GateError {
    GateError::Damaged { number, reason: reason.to_owned() }
}

fn number(row: &PgRow, name: &str) -> Result<u64, GateError> {
    let number: i64 = get(row, name)?;
    u64::try_from(number).map_err(|_| damaged(0, &format!("{name} is negative")))
}

fn get<'r, T>(row: &'r PgRow, name: &str) -> Result<T, GateError>
where
    T: sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
{
    row.try_get(name).map_err(|error| damaged(0, &error.to_string()))
}
