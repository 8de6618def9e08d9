//! One row of a list, and how it is read.

use std::collections::HashMap;

use futures_util::{Stream, TryStreamExt};
use serde::Deserialize;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::select::{Selection, of};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A process was spawned.
    Spawned,
    /// A message was scheduled.
    Scheduled,
    /// What is on chain was assigned.
    Assigned,
}

/// A tag as text; bytes that are none are U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct EntryTag {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// A message, or the spawn of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryEntry {
    /// Its place in the log.
    pub sequence: u64,
    /// The process.
    pub process: String,
    /// Its place in the process; none for a process that was spawned without an assignment.
    pub nonce: Option<u64>,
    /// What happened.
    pub kind: EntryKind,
    /// The id of the item, or of what is on chain.
    pub id: String,
    /// Who signed the item; none for what is on chain.
    pub owner: Option<String>,
    /// Whom it is for.
    pub recipient: Option<String>,
    /// Of the data, in bytes.
    pub size: Option<u64>,
    /// The tags of the item; none for what is on chain.
    pub tags: Option<Vec<EntryTag>>,
    /// The id of the assignment.
    pub assignment: Option<String>,
    /// When, in milliseconds.
    pub timestamp: Option<i64>,
    /// At which height of Arweave.
    pub block_height: Option<u64>,
    /// The hash chain of the process.
    pub hash_chain: Option<String>,
    /// The epoch of the assignment.
    pub epoch: Option<i64>,
}

/// An item with what its signer wrote.
#[derive(Clone, Debug)]
pub struct SignedEntry {
    /// The item.
    pub entry: QueryEntry,
    /// The anchor; empty where there is none.
    pub anchor: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
    /// The public key of the signer.
    pub key: Vec<u8>,
}

impl QueryEntry {
    /// Whether its tags are elsewhere.
    fn lacks_tags(&self) -> bool {
        self.tags.is_none() && self.owner.is_some()
    }
}

impl EntryKind {
    /// The same as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spawned => "spawned",
            Self::Scheduled => "scheduled",
            Self::Assigned => "assigned",
        }
    }

    pub(super) fn condition(self) -> &'static str {
        match self {
            Self::Spawned => "kind = 0",
            Self::Scheduled => "kind = 1",
            Self::Assigned => "kind = 2",
        }
    }

    pub(super) fn of(number: i16) -> Result<Self, sqlx::Error> {
        match number {
            0 => Ok(Self::Spawned),
            1 => Ok(Self::Scheduled),
            2 => Ok(Self::Assigned),
            other => Err(undecodable(format!("the kind {other}"))),
        }
    }
}

// What stands in the place of an assignment where there is none has no nonce, and is not to be seen.
const COLUMNS: &str = " select m.sequence, m.process, m.nonce, m.kind, m.id, m.owner, m.recipient, m.size, \
     m.tags::text as tags, m.timestamp, a.block_height, \
     case when a.nonce is not null then a.id end as assignment, \
     case when a.nonce is not null then a.hash_chain end as hash_chain, \
     case when a.nonce is not null then a.epoch end as epoch";

/// How much memory the tags of a list may take up; it ends early with the entry that reaches it. What a usual entry has
/// comes to some thousandths of that, and an item of nothing but tags to a hundredth.
const TAGS_BYTES_MAX: usize = 4 << 20;
/// What tags that are not known yet are taken for: as many as fit into an item.
const TAGS_BYTES_UNKNOWN: usize = 64 << 10;

/// The rows of a selection, in its order, up to as many as there is room for. Statements are not kept: there are many
/// forms of them, and each would take memory of the database as long as its connection lives.
pub(super) async fn read(
    on: &mut PgConnection,
    store: Uuid,
    selection: &Selection<'_>,
) -> Result<Gathered<QueryEntry>, sqlx::Error> {
    let mut statement = statement("", store, selection, false);
    let rows = statement.build().persistent(false).fetch(&mut *on);
    let mut gathered = gather(rows, entry, |entry| entry).await?;
    fill_tags(on, store, gathered.entries.iter_mut().collect()).await?;
    Ok(gathered)
}

/// The same with signatures.
pub(super) async fn read_signed(
    on: &mut PgConnection,
    store: Uuid,
    selection: &Selection<'_>,
) -> Result<Gathered<SignedEntry>, sqlx::Error> {
    let mut statement = statement("", store, selection, true);
    let rows = statement.build().persistent(false).fetch(&mut *on);
    let mut gathered = gather(rows, signed, |signed| &signed.entry).await?;
    let entries = gathered.entries.iter_mut().map(|signed| &mut signed.entry).collect();
    fill_tags(on, store, entries).await?;
    Ok(gathered)
}

/// The entries of a list, or those of them that there was room for.
pub(super) struct Gathered<T> {
    pub(super) entries: Vec<T>,
    pub(super) is_cut: bool,
}

/// Takes rows as long as there is room for their tags.
async fn gather<T>(
    mut rows: impl Stream<Item = Result<PgRow, sqlx::Error>> + Unpin,
    read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
    entry: impl Fn(&T) -> &QueryEntry,
) -> Result<Gathered<T>, sqlx::Error> {
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while bytes < TAGS_BYTES_MAX
        && let Some(row) = rows.try_next().await?
    {
        let read = read(&row)?;
        bytes += tags_bytes(entry(&read));
        entries.push(read);
    }
    Ok(Gathered { entries, is_cut: bytes >= TAGS_BYTES_MAX })
}

fn tags_bytes(entry: &QueryEntry) -> usize {
    if entry.lacks_tags() {
        return TAGS_BYTES_UNKNOWN;
    }
    let tags = entry.tags.iter().flatten();
    tags.map(|tag| size_of::<EntryTag>() + tag.name.len() + tag.value.len()).sum()
}

/// What the database does for a selection.
pub(super) async fn explain(
    on: &mut PgConnection,
    store: Uuid,
    selection: &Selection<'_>,
) -> Result<String, sqlx::Error> {
    let mut statement = statement("explain (analyze, buffers) ", store, selection, false);
    let lines: Vec<String> = statement.build_query_scalar().persistent(false).fetch_all(&mut *on).await?;
    Ok(lines.join("\n"))
}

fn statement(prefix: &str, store: Uuid, selection: &Selection<'_>, signed: bool) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(prefix);
    selection.push(&mut sql, store);
    sql.push(COLUMNS).push(if signed { ", m.anchor, m.signature, o.key" } else { "" });
    sql.push(" from page join quipu.messages m on m.sequence = page.sequence and m.store = ").push(of(store));
    sql.push(" left join quipu.assignments a on a.sequence = page.sequence and a.store = ").push(of(store));
    if signed {
        sql.push(" left join quipu.owners o on o.address = m.owner and o.store = ").push(of(store));
    }
    sql.push(format_args!(" order by page.sequence {}", selection.order()));
    sql
}

fn entry(row: &PgRow) -> Result<QueryEntry, sqlx::Error> {
    let tags: Option<String> = row.try_get("tags")?;
    let tags = tags.map(|json| serde_json::from_str(&json).map_err(undecodable)).transpose()?;
    Ok(QueryEntry {
        sequence: unsigned(row.try_get("sequence")?)?,
        process: row.try_get("process")?,
        nonce: row.try_get::<Option<i64>, _>("nonce")?.map(unsigned).transpose()?,
        kind: EntryKind::of(row.try_get("kind")?)?,
        id: row.try_get("id")?,
        owner: row.try_get("owner")?,
        recipient: row.try_get("recipient")?,
        size: row.try_get::<Option<i64>, _>("size")?.map(unsigned).transpose()?,
        tags,
        assignment: row.try_get("assignment")?,
        timestamp: row.try_get("timestamp")?,
        block_height: row.try_get::<Option<i64>, _>("block_height")?.map(unsigned).transpose()?,
        hash_chain: row.try_get("hash_chain")?,
        epoch: row.try_get("epoch")?,
    })
}

fn signed(row: &PgRow) -> Result<SignedEntry, sqlx::Error> {
    let bytes = |name: &str| row.try_get::<Option<Vec<u8>>, _>(name).map(Option::unwrap_or_default);
    Ok(SignedEntry {
        entry: entry(row)?,
        anchor: bytes("anchor")?,
        signature: bytes("signature")?,
        key: bytes("key")?,
    })
}

/// Tags that hold a NUL are in their own table only.
async fn fill_tags(
    on: &mut PgConnection,
    store: Uuid,
    mut entries: Vec<&mut QueryEntry>,
) -> Result<(), sqlx::Error> {
    entries.retain(|entry| entry.lacks_tags());
    if entries.is_empty() {
        return Ok(());
    }
    let lacking: Vec<i64> = entries.iter().map(|entry| entry.sequence.cast_signed()).collect();
    let rows = sqlx::query(
        "select sequence, name, value from quipu.tags where store = $1::uuid and sequence = any($2) \
         order by sequence, place",
    )
    .bind(store.to_string())
    .bind(lacking)
    .persistent(false)
    .fetch_all(&mut *on)
    .await?;
    let mut tags: HashMap<u64, Vec<EntryTag>> = HashMap::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for row in rows {
        let (name, value) = (text(row.try_get("name")?), text(row.try_get("value")?));
        tags.entry(unsigned(row.try_get("sequence")?)?).or_default().push(EntryTag { name, value });
    }
    for entry in entries {
        entry.tags = Some(tags.remove(&entry.sequence).unwrap_or_default());
    }
    Ok(())
}

pub(super) fn unsigned(number: i64) -> Result<u64, sqlx::Error> {
    u64::try_from(number).map_err(|_| undecodable(format!("the number {number} where none is below 0")))
}

fn undecodable(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(reason.into())
}
