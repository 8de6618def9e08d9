//! Ranges of rows of messages: a process goes into the log in its order, so what comes before a range has to be there. The
//! process itself comes with its messages, since rows of processes have numbers of their own.

use futures_util::TryStreamExt;
use protocol::{Nonce, ProcessId};
use sqlx::{AssertSqlSafe, Row};

use super::rows::{MessageQuery, ProcessRow, bundle, of_process, read_key};
use super::{ALL_ROWS, PostgresSource};
use crate::blob::Blob;
use crate::source::{RowRange, SourceError, SourceRow};
use crate::target::{KnownRows, PlacedIds};
use crate::waiting::answered;

/// Why a range is not imported.
#[derive(Debug, thiserror::Error)]
#[error(
    "{place} comes before rows of process {process} in this range and is not in the log, which could not take it later: \
     import the range with that row first, or the whole process with --process"
)]
struct RangeError {
    place: String,
    process: ProcessId,
}

/// Which processes come with the messages of a range: those that have some in it, and those without any by their own rows.
pub(super) const PROCESSES: &str = "(exists (select 1 from messages m where m.process_id = processes.process_id \
    and m.row_id between $1 and $2) or row_id between $1 and $2 and not exists \
    (select 1 from messages m where m.process_id = processes.process_id))";

impl PostgresSource {
    /// Whether anything of a process is of a range. One with messages behind others of it that are neither in the log nor left
    /// out of it as garbage is refused, wherever the rows of these are: in a copied database they need not rise with the
    /// nonces.
    pub(super) fn is_of_range(
        &mut self,
        process: &ProcessRow,
        range: RowRange,
        known: &dyn KnownRows,
    ) -> Result<bool, SourceError> {
        let of_process = of_process(&process.id);
        let sql = format!(
            "select exists (select 1 from messages where {of_process} and row_id between $2 and $3), \
             exists (select 1 from messages where {of_process})"
        );
        let Self { waiting, connection, .. } = self;
        let found = waiting.limited(async {
            let is_any = sqlx::query(AssertSqlSafe(sql)).bind(&process.id).bind(range.first).bind(range.last);
            let row = answered(is_any.fetch_one(&mut *connection)).await?;
            Ok::<(bool, bool), sqlx::Error>((row.try_get(0)?, row.try_get(1)?))
        });
        let looking = "looking for the messages of the range";
        let (has_some, has_any) = found.map_err(|error| self.failed(looking, error))?;
        if has_some && !known.is_plan() {
            self.check_before(process, range, known)?;
        }
        let is_own = process.row.is_some_and(|row| (range.first..=range.last).contains(&row));
        Ok(has_some || (!has_any && is_own))
    }

    /// That the database has what the log has last of a process, where its row is not among those that are read: what comes
    /// behind it there comes behind it here.
    pub(super) fn has_head(
        &mut self,
        query: &MessageQuery,
        head: i64,
        process: ProcessId,
        known: &dyn KnownRows,
    ) -> Result<Option<SourceRow>, SourceError> {
        if query.rows == ALL_ROWS {
            return Ok(None);
        }
        let nonce = Nonce::new(head.unsigned_abs());
        let there = known.at(process, Some(nonce));
        let there = there.map_err(|error| self.failed("asking the log", error))?;
        let query = MessageQuery { nonces: head..=head, rows: ALL_ROWS, ..query.clone() };
        let sql = query.keys_sql(&self.columns);
        let keys = query.bind(sqlx::query(AssertSqlSafe(sql))).fetch_all(&mut self.connection);
        let keys = self.waiting.answer(keys).map_err(|error| self.failed("looking up messages", error))?;
        let is_it = |ids: PlacedIds| keys.iter().any(|row| read_key(row).is_ok_and(|key| key.is_of(&ids)));
        Ok(there.is_some_and(is_it).then_some(SourceRow::Has(process, nonce)))
    }

    fn check_before(
        &mut self,
        process: &ProcessRow,
        range: RowRange,
        known: &dyn KnownRows,
    ) -> Result<(), SourceError> {
        let Ok(id) = process.id.parse::<ProcessId>() else { return Ok(()) };
        let head = known.head(id).map_err(|error| self.failed("asking the log", error))?;
        let nonce = head.flatten().and_then(|link| i64::try_from(link.nonce.get()).ok());
        let Self { waiting, connection, .. } = self;
        let found = waiting.limited(async {
            let bundle = bundle();
            let sql = format!(
                "select row_id::int8, {bundle} from messages where process_id = $1 and row_id not between $2 and $3 \
                 and nonce > $4 and nonce < (select max(nonce) from messages where process_id = $1 \
                 and row_id between $2 and $3) order by messages.nonce"
            );
            let before = sqlx::query(AssertSqlSafe(sql)).bind(&process.id).bind(range.first).bind(range.last);
            let mut before = before.bind(nonce.unwrap_or(-1)).fetch(connection);
            while let Some(row) = answered(before.try_next()).await? {
                if row.try_get::<Option<&[u8]>, _>(1)?.is_some_and(|blob| Blob::parse(blob).is_ok()) {
                    return Ok(Some(format!("messages, row {}", row.try_get::<i64, _>(0)?)));
                }
            }
            Ok::<_, sqlx::Error>(None)
        });
        match found.map_err(|error| self.failed("looking at what comes before rows of the range", error))? {
            Some(place) => Err(self.failed("looking at the range", RangeError { place, process: id })),
            None => Ok(()),
        }
    }
}
