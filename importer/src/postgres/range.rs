//! Ranges of rows: a process goes into the log in its order, so what comes before a range has to be there.

use futures_util::TryStreamExt;
use protocol::ProcessId;
use sqlx::{AssertSqlSafe, Row};

use super::PostgresSource;
use super::rows::{self, ProcessRow};
use crate::blob::Blob;
use crate::source::{RowRange, SourceError};
use crate::target::KnownRows;
use crate::waiting::answered;

/// Why a range is not imported.
#[derive(Debug, thiserror::Error)]
#[error(
    "{place} comes before the rows of process {process} in this range and is not in the log, which could not take it later: \
     import the rows before these first, or the whole process with --process"
)]
struct RangeError {
    place: String,
    process: ProcessId,
}

impl PostgresSource {
    /// Refuses a range that begins behind rows of a process that are neither in the log nor left out of it as garbage.
    pub(super) fn check_range(
        &mut self,
        process: &ProcessRow,
        range: RowRange,
        known: &dyn KnownRows,
    ) -> Result<(), SourceError> {
        let Ok(id) = process.id.parse::<ProcessId>() else { return Ok(()) };
        if known.is_plan() {
            return Ok(());
        }
        let head = known.head(id).map_err(|error| self.failed("asking the log", error))?;
        let nonce = head.flatten().and_then(|link| i64::try_from(link.nonce.get()).ok());
        let outside = |row: &i64| !(range.first..=range.last).contains(row);
        let spawn = process.row.filter(|row| head.is_none() && outside(row));
        let Self { waiting, connection, columns, .. } = self;
        let found = waiting.limited(async {
            let is_any = "select exists (select 1 from messages where process_id = $1 and row_id between $2 and $3)";
            let is_any = sqlx::query(is_any).bind(&process.id).bind(range.first).bind(range.last);
            if !answered(is_any.fetch_one(&mut *connection)).await?.try_get::<bool, _>(0)? {
                return Ok(None);
            }
            if let Some(row) = spawn {
                let sql = AssertSqlSafe(rows::process_sql(columns));
                let bundle = answered(sqlx::query(sql).bind(row).fetch_one(&mut *connection)).await?;
                if Blob::parse(bundle.try_get(0)?).is_ok() {
                    return Ok(Some(process.place()));
                }
            }
            let sql = "select row_id::int8, bundle from messages where process_id = $1 and row_id < $2 and nonce > $3 \
                       order by messages.nonce";
            let before = sqlx::query(sql).bind(&process.id).bind(range.first).bind(nonce.unwrap_or(-1));
            let mut before = before.fetch(connection);
            while let Some(row) = answered(before.try_next()).await? {
                if Blob::parse(row.try_get(1)?).is_ok() {
                    return Ok(Some(format!("messages, row {}", row.try_get::<i64, _>(0)?)));
                }
            }
            Ok::<_, sqlx::Error>(None)
        });
        match found.map_err(|error| self.failed("looking at what comes before the range", error))? {
            Some(place) => Err(self.failed("looking at the range", RangeError { place, process: id })),
            None => Ok(()),
        }
    }
}
