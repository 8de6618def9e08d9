//! What the tables have and the log has not: found per process by bisection, and taken back in one transaction.
//!
//! A log that was restored from an older copy, or of a standby that lacked the last events, has the same history up
//! to some sequence number and another one from there on. Hash chains make that visible in each process: once the
//! assignments of a nonce differ, all later ones do.

use std::collections::HashMap;
use std::ops::ControlFlow;

use log::{Log, Seq};
use protocol::{Nonce, ProcessId};
use sqlx::{AssertSqlSafe, query_as};
use tracing::warn;

use super::NAME;
use super::apply::{self, RowSpan};
use super::connect::schema;
use super::cursor::{self, TablesCursor};
use super::rows::signed;
use super::session::Session;
use crate::fingerprint::{fingerprint_at, fingerprint_text};
use crate::position::behind;
use crate::projection::ProjectionError;

/// Whether the log has exactly the event at which the tables stand.
pub(super) fn is_known(log: &dyn Log, cursor: &TablesCursor) -> Result<bool, ProjectionError> {
    let Some(position) = cursor.position else { return Ok(true) };
    Ok(fingerprint_of(log, position)? == cursor.fingerprint)
}

/// The fingerprint of the event at a position, as the cursor has it; none when the log does not reach so far.
pub(super) fn fingerprint_of(log: &dyn Log, position: Seq) -> Result<Option<String>, ProjectionError> {
    Ok(fingerprint_at(log, position)?.map(fingerprint_text))
}

/// Takes the tables back to where they and the log agree; where that is.
pub(super) async fn run(
    session: &mut Session,
    log: &dyn Log,
    cursor: &TablesCursor,
    live: bool,
    events_max: u64,
) -> Result<Option<Seq>, ProjectionError> {
    let store = log.identity().store;
    let schema = schema(store, live);
    let common = Comparison { session, log, schema: &schema }.common(cursor.position).await?;
    let depth = behind(cursor.position, common);
    if depth > events_max {
        let reason = format!(
            "the log has another history than the last {depth} events that Postgres has of it, and at most \
             {events_max} are taken back without being asked"
        );
        return Err(ProjectionError::NeedsRebuild { projection: NAME, reason });
    }
    let fingerprint = common.map(|seq| fingerprint_of(log, seq)).transpose()?.flatten();
    session.begin().await?;
    let from = common.map_or(0, |seq| signed(seq.next().get()));
    let span = RowSpan { from, to: i64::MAX, process: None };
    session.run("set local lock_timeout = 0".to_owned()).await?;
    apply::delete(session, &schema, &store.to_string(), span, true).await?;
    cursor::write(session, log.identity(), live, common, fingerprint.as_deref()).await?;
    session.commit().await?;
    warn!(
        events = depth,
        position = common.map(|seq| seq.get()),
        "the log has another history than Postgres had; took back what differed"
    );
    Ok(common)
}

/// The last row of a process in the tables.
struct LastRow {
    nonce: Option<Nonce>,
    seq: Seq,
    assignment: Option<String>,
}

struct Comparison<'a> {
    session: &'a mut Session,
    log: &'a dyn Log,
    schema: &'a str,
}

impl Comparison<'_> {
    /// The last event up to which tables and log are the same.
    async fn common(&mut self, position: Option<Seq>) -> Result<Option<Seq>, ProjectionError> {
        let tail = self.log.tail().last().map_or(Seq::ZERO, Seq::next);
        let mut first_difference = position.map_or(Seq::ZERO, Seq::next).min(tail);
        let lasts = self.lasts().await?;
        for (process, last) in &lasts {
            if let Some(differs) = self.first_difference(*process, last).await? {
                first_difference = first_difference.min(differs);
            }
        }
        first_difference = first_difference.min(self.first_missing(&lasts)?);
        Ok(first_difference.prev())
    }

    /// The newest row of each process.
    async fn lasts(&mut self) -> Result<HashMap<ProcessId, LastRow>, ProjectionError> {
        let sql = format!(
            "select distinct on (m.store, m.process) m.process, m.nonce, m.sequence, a.id from {schema}.messages m \
             left join {schema}.assignments a using (store, sequence) \
             order by m.store, m.process, m.sequence desc",
            schema = self.schema
        );
        type Row = (String, Option<i64>, i64, Option<String>);
        let rows: Vec<Row> = self.session.all_patiently(query_as(AssertSqlSafe(sql))).await?;
        let mut lasts = HashMap::with_capacity(rows.len());
        for (process, nonce, sequence, assignment) in rows {
            let process = process.parse().map_err(|_| self.damaged("a process id"))?;
            let nonce = nonce.map(|nonce| Nonce::new(nonce.unsigned_abs()));
            lasts.insert(process, LastRow { nonce, seq: Seq::new(sequence.unsigned_abs()), assignment });
        }
        Ok(lasts)
    }

    /// Where in the order of either side the process begins to differ; none when all of its rows are in the log.
    async fn first_difference(
        &mut self,
        process: ProcessId,
        last: &LastRow,
    ) -> Result<Option<Seq>, ProjectionError> {
        let there = self.assignment_of(process, last.nonce)?;
        if let Some((seq, id)) = &there
            && *id == last.assignment
        {
            self.check_order(process, *seq, last.seq)?;
            return Ok(None);
        }
        // Invariant: all before `low` agree, `high` and all after it differ.
        let (mut low, mut high) = (0, last.nonce.map_or(0, |nonce| nonce.get()));
        let mut differs = last.seq;
        while low < high {
            let middle = low + (high - low) / 2;
            match self.row(process, middle).await? {
                Some((seq, id)) => {
                    let there = self.assignment_of(process, Some(Nonce::new(middle)))?;
                    if let Some((log_seq, log_id)) = there
                        && log_id.as_deref() == Some(id.as_str())
                    {
                        self.check_order(process, log_seq, seq)?;
                        low = middle + 1;
                    } else {
                        differs = differs.min(seq);
                        high = middle;
                    }
                }
                // A gap, as imported histories may have: it agrees with whatever is before it.
                None => low = middle + 1,
            }
        }
        let in_log = self.log.event(process, last.nonce.map(|_| Nonce::new(high)))?.map(|event| event.seq);
        Ok(Some(in_log.map_or(differs, |seq| seq.min(differs))))
    }

    /// The first event of the log that the tables lack although they have all rows before it of its process.
    fn first_missing(&self, lasts: &HashMap<ProcessId, LastRow>) -> Result<Seq, ProjectionError> {
        let mut heads = Vec::new();
        self.log.heads(None, &mut |process, head| {
            if lasts.get(&process).is_none_or(|last| head.seq > last.seq) {
                heads.push(process);
            }
            ControlFlow::Continue(())
        })?;
        let mut first = Seq::MAX;
        for process in heads {
            let (unassigned, from) = match lasts.get(&process) {
                Some(LastRow { nonce: Some(nonce), .. }) => (false, nonce.next()),
                Some(LastRow { nonce: None, .. }) => (false, Nonce::ZERO),
                None => (true, Nonce::ZERO),
            };
            self.log.range(process, unassigned, from..=Nonce::MAX, &mut |event| {
                first = first.min(event.seq);
                ControlFlow::Break(())
            })?;
        }
        Ok(first)
    }

    /// What the log has at a nonce: its place and the id of its assignment.
    fn assignment_of(
        &self,
        process: ProcessId,
        nonce: Option<Nonce>,
    ) -> Result<Option<(Seq, Option<String>)>, ProjectionError> {
        let unassigned = nonce.is_none();
        let nonces = nonce.map_or(Nonce::MAX..=Nonce::ZERO, |nonce| nonce..=nonce);
        let mut found = None;
        self.log.range(process, unassigned, nonces, &mut |event| {
            found = Some((event.seq, event.assignment().map(|assignment| assignment.id().to_string())));
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    async fn row(
        &mut self,
        process: ProcessId,
        nonce: u64,
    ) -> Result<Option<(Seq, String)>, ProjectionError> {
        let sql = format!(
            "select m.sequence, a.id from {schema}.messages m join {schema}.assignments a using (store, sequence) \
             where m.store = $1::uuid and m.process = $2 and m.nonce = $3",
            schema = self.schema
        );
        let store = self.log.identity().store.to_string();
        let found = query_as(AssertSqlSafe(sql)).bind(store).bind(process.to_string()).bind(signed(nonce));
        let found: Option<(i64, String)> = self.session.optional(found).await?;
        Ok(found.map(|(sequence, id)| (Seq::new(sequence.unsigned_abs()), id)))
    }

    /// The same assignment at another place: this log was not a copy of the one that was projected.
    fn check_order(&self, process: ProcessId, in_log: Seq, in_tables: Seq) -> Result<(), ProjectionError> {
        if in_log == in_tables {
            return Ok(());
        }
        let reason = format!(
            "the log has an assignment of process {process} as event {in_log}, Postgres has it as event {in_tables}"
        );
        Err(ProjectionError::NeedsRebuild { projection: NAME, reason })
    }

    fn damaged(&self, what: &str) -> ProjectionError {
        let reason = format!("{}.messages holds {what} that is none", self.schema);
        ProjectionError::NeedsRebuild { projection: NAME, reason }
    }
}
