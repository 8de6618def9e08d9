//! A second connection into the same snapshot, for what is looked up while the first one streams: the JSON of rows whose
//! stored bytes cannot be read.

use projections::DatabaseUrl;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::rows::STORED_MAX;
use super::session::begun;
use crate::blob::Blob;
use crate::shown_row::ShownPair;
use crate::source::StoredRow;

/// The second connection, opened when it is needed.
pub(super) struct Looking {
    url: DatabaseUrl,
    /// None of a server that gives none: then the rows are looked up as they are.
    snapshot: Option<String>,
    connection: Option<PgConnection>,
}

impl Looking {
    /// Notes the snapshot of a connection.
    pub(super) async fn beside(
        url: &DatabaseUrl,
        connection: &mut PgConnection,
    ) -> Result<Self, sqlx::Error> {
        let sql = "select case when pg_is_in_recovery() then null else pg_export_snapshot() end";
        let snapshot = sqlx::query(sql).fetch_one(connection).await?.try_get(0)?;
        Ok(Self { url: url.clone(), snapshot, connection: None })
    }

    /// Adds to a row whose stored bytes cannot be read what its JSON shows.
    pub(super) async fn complete(
        &mut self,
        row: &mut StoredRow,
        table: &'static str,
        number: i64,
    ) -> Result<(), sqlx::Error> {
        if Blob::parse(&row.blob).is_ok() {
            return Ok(());
        }
        let column = if row.is_process { "process_data" } else { "message_data" };
        // Where nobody knows what encoding text has, it is the UTF-8 that schedulers write, or none.
        let encoding = "case getdatabaseencoding() when 'SQL_ASCII' then 'SQL_ASCII' else 'UTF8' end";
        // As with stored bytes, longer JSON is left where it is.
        let sql = format!(
            "select case when octet_length({column}::text) <= {STORED_MAX} then convert_to({column}::text, {encoding}) end \
             from {table} where row_id = $1"
        );
        let found = sqlx::query(AssertSqlSafe(sql)).bind(number).fetch_optional(self.connected().await?);
        let text = found.await?.map(|found| found.try_get::<Option<Vec<u8>>, _>(0)).transpose()?.flatten();
        row.shown = text.and_then(|text| shown_pair(&text)).map(Box::new);
        Ok(())
    }

    async fn connected(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => begun(&self.url, self.snapshot.as_deref()).await?,
        };
        Ok(self.connection.insert(connection))
    }
}

/// What a column of JSON shows. Processes were stored without anything around them at first.
fn shown_pair(text: &[u8]) -> Option<ShownPair> {
    let pair = serde_json::from_slice::<ShownPair>(text)
        .ok()
        .filter(|pair| pair.message.is_some() || pair.assignment.is_some());
    let bare = || Some(ShownPair { message: Some(serde_json::from_slice(text).ok()?), assignment: None });
    pair.or_else(bare)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn all_forms_of_the_columns_are_read() {
        let item = r#"{"process_id":"p","owner":{"address":"a","key":"k"},"tags":[{"name":"n","value":"v"}],"signature":"s","block":"1"}"#;
        let process = |text: &str| shown_pair(text.as_bytes()).unwrap().message.unwrap().id;
        assert_eq!(process(item), "p");
        assert_eq!(process(&format!(r#"{{"process":{item},"assignment":null}}"#)), "p");
        let both = format!(r#"{{"message":null,"assignment":{item}}}"#);
        assert!(shown_pair(both.as_bytes()).unwrap().assignment.is_some());
        // The earliest messages have no assignment there, and other parts elsewhere.
        for none in ["{}", "[]", "x", r#"{"message":{"id":"x","tags":[]},"owner":{}}"#] {
            assert!(shown_pair(none.as_bytes()).is_none(), "{none}");
        }
    }
}
