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

/// How many processes are compared at a time: there may be millions.
const PAGE: usize = 5_000;

/// A process, and of its newest row: nonce, sequence number and the id of the assignment.
type Row = (String, Option<i64>, i64, Option<String>);

fn last_row((process, nonce, sequence, assignment): Row) -> (String, LastRow) {
    let nonce = nonce.map(|nonce| Nonce::new(nonce.unsigned_abs()));
    (process, LastRow { nonce, seq: Seq::new(sequence.unsigned_abs()), assignment })
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
        let mut after = String::new();
        loop {
            let page = self.last_rows_after(&after).await?;
            for (text, last) in &page {
                let process = text.parse().map_err(|_| self.damaged("a process id"))?;
                if let Some(differs) = self.first_difference(process, last).await? {
                    first_difference = first_difference.min(differs);
                }
            }
            match page.into_iter().next_back() {
                Some((last, _)) => after = last,
                None => break,
            }
        }
        first_difference = first_difference.min(self.first_missing().await?);
        Ok(first_difference.prev())
    }

    /// The newest rows of some processes, in the order in which the database has those, after this one.
    async fn last_rows_after(&mut self, after: &str) -> Result<Vec<(String, LastRow)>, ProjectionError> {
        let processes = format!(
            "select distinct process from {schema}.messages where store = $1::uuid and process > $2 \
             order by process limit {PAGE}",
            schema = self.schema
        );
        let sql = self.last_rows(&processes);
        let asked =
            query_as(AssertSqlSafe(sql)).bind(self.log.identity().store.to_string()).bind(after.to_owned());
        let rows: Vec<Row> = self.session.all_patiently(asked).await?;
        Ok(rows.into_iter().map(last_row).collect())
    }

    /// The newest rows of those of these processes that have any.
    async fn last_rows_of(
        &mut self,
        processes: Vec<String>,
    ) -> Result<HashMap<String, LastRow>, ProjectionError> {
        let sql =
            self.last_rows("select process collate \"C\" as process from unnest($2::text[]) of_log(process)");
        let asked = query_as(AssertSqlSafe(sql)).bind(self.log.identity().store.to_string()).bind(processes);
        let rows: Vec<Row> = self.session.all_patiently(asked).await?;
        Ok(rows.into_iter().map(last_row).collect())
    }

    /// What reads the newest row of each of some processes, by the index for that.
    fn last_rows(&self, processes: &str) -> String {
        format!(
            "select page.process, last.nonce, last.sequence, a.id from ({processes}) page \
             cross join lateral (select m.nonce, m.sequence from {schema}.messages m where m.store = $1::uuid \
             and m.process = page.process order by m.store desc, m.process desc, m.sequence desc limit 1) last \
             left join {schema}.assignments a on a.store = $1::uuid and a.sequence = last.sequence order by page.process",
            schema = self.schema
        )
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
    async fn first_missing(&mut self) -> Result<Seq, ProjectionError> {
        let (mut first, mut after) = (Seq::MAX, None);
        loop {
            let mut heads = Vec::new();
            self.log.heads(after, &mut |process, head| {
                heads.push((process, head.seq));
                if heads.len() < PAGE { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            let Some((last, _)) = heads.last() else { return Ok(first) };
            after = Some(*last);
            let processes = heads.iter().map(|(process, _)| process.to_string()).collect();
            let lasts = self.last_rows_of(processes).await?;
            for (process, head) in heads {
                let last = lasts.get(&process.to_string());
                if last.is_none_or(|last| head > last.seq) {
                    first = first.min(self.first_after(process, last)?);
                }
            }
        }
    }

    /// The first event of a process in the log that comes after its newest row.
    fn first_after(&self, process: ProcessId, last: Option<&LastRow>) -> Result<Seq, ProjectionError> {
        let (unassigned, from) = match last {
            Some(LastRow { nonce: Some(nonce), .. }) => (false, nonce.next()),
            Some(LastRow { nonce: None, .. }) => (false, Nonce::ZERO),
            None => (true, Nonce::ZERO),
        };
        let mut first = Seq::MAX;
        self.log.range(process, unassigned, from..=Nonce::MAX, &mut |event| {
            first = event.seq;
            ControlFlow::Break(())
        })?;
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
