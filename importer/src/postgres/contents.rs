//! The content hashes of a process that nothing else of it has.

use futures_util::TryStreamExt;
use protocol::ProcessId;
use sqlx::{AssertSqlSafe, Row};

use super::PostgresSource;
use super::rows::bundle;
use crate::deep_hashes::{LeftHashes, StoredHashes};
use crate::source::SourceError;
use crate::target::KnownRows;

impl PostgresSource {
    /// Looks through all messages of a process that has any in the byte store.
    pub(super) fn left_hashes(
        &mut self,
        process: ProcessId,
        known: &dyn KnownRows,
    ) -> Result<LeftHashes, SourceError> {
        let hashes = self.bytes.as_ref().map(|bytes| bytes.hashes(process)).transpose();
        let hashes = hashes.map_err(|error| self.failed("reading content hashes", error))?;
        let mut seen = match StoredHashes::new(process, hashes.unwrap_or_default()) {
            Ok(seen) => seen,
            Err(left) => return Ok(left),
        };
        let (waiting, connection) = (&self.waiting, &mut self.connection);
        let sql = format!("select {} from messages where process_id = $1", bundle());
        let mut found = sqlx::query(AssertSqlSafe(sql)).bind(process.to_string()).fetch(connection);
        let done = loop {
            let blob = match waiting.answer(found.try_next()) {
                Ok(Some(row)) => row.try_get::<Option<Vec<u8>>, _>(0),
                Ok(None) => break Ok(()),
                Err(error) => Err(error),
            };
            let looked = match blob {
                Ok(blob) => seen.look(&blob.unwrap_or_default(), known).map_err(Into::into),
                Err(error) => Err(Box::<dyn std::error::Error + Send + Sync>::from(error)),
            };
            if looked.is_err() {
                break looked;
            }
        };
        drop(found);
        done.map_err(|error| self.failed("looking for content hashes", error))?;
        Ok(seen.left())
    }
}
