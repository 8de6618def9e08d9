//! Which columns there are: migrations of the existing scheduler may have failed, and it serves all the same.

use std::collections::BTreeSet;

use sqlx::{PgConnection, Row};

/// What has been there from the beginning.
const REQUIRED: [(&str, &str); 9] = [
    ("processes", "row_id"),
    ("processes", "process_id"),
    ("processes", "bundle"),
    ("messages", "row_id"),
    ("messages", "process_id"),
    ("messages", "message_id"),
    ("messages", "nonce"),
    ("messages", "timestamp"),
    ("messages", "bundle"),
];

/// The columns of both tables.
pub(super) struct SourceColumns(BTreeSet<(String, String)>);

impl SourceColumns {
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        // Of the tables that queries find, and not of others of the name behind them in the search path.
        let sql = "select found.name, attname::text from (values ('processes'), ('messages')) found (name) \
                   join pg_attribute on attrelid = to_regclass(found.name) where attnum > 0 and not attisdropped";
        let rows = sqlx::query(sql).fetch_all(connection).await?;
        let columns = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        columns.collect::<Result<_, sqlx::Error>>().map(Self)
    }

    /// The first table and column without which nothing can be read.
    pub(super) fn missing(&self) -> Option<(&'static str, &'static str)> {
        REQUIRED.into_iter().find(|(table, column)| !self.has(table, column))
    }

    /// A column of the processes, or null where there is none.
    pub(super) fn of_process(&self, column: &'static str) -> &'static str {
        if self.has("processes", column) { column } else { "null" }
    }

    /// A column of the messages, or null where there is none.
    pub(super) fn of_message(&self, column: &'static str) -> &'static str {
        if self.has("messages", column) { column } else { "null" }
    }

    fn has(&self, table: &str, column: &str) -> bool {
        self.0.contains(&(table.to_owned(), column.to_owned()))
    }
}
