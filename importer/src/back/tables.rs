//! The tables that rows are written to: made where there are none, and otherwise only looked at.

use sqlx::{Connection, PgConnection};

/// The tables as they are after all migrations, and the migrations as done.
const TABLES: &str = include_str!("tables.sql");
/// What is written of each row.
const WRITTEN: [(&str, &[&str]); 2] = [
    ("processes", &["process_id", "process_data", "bundle", "epoch", "nonce", "hash_chain", "timestamp"]),
    (
        "messages",
        &[
            "process_id",
            "message_id",
            "message_data",
            "epoch",
            "nonce",
            "timestamp",
            "bundle",
            "hash_chain",
            "assignment_id",
        ],
    ),
];

/// Makes the tables in a database that has none of them; those of the existing scheduler stay as they are, down to their
/// indexes and to what it notes of its migrations. Which columns they lack.
pub(super) async fn prepare(connection: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let mut begun = connection.begin().await?;
    let sql = "select table_name::text, column_name::text from information_schema.columns \
               where table_schema = any(current_schemas(false)) and table_name in ('processes', 'messages')";
    let found: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&mut *begun).await?;
    if found.is_empty() {
        sqlx::raw_sql(TABLES).execute(&mut *begun).await?;
        begun.commit().await?;
        return Ok(Vec::new());
    }
    let wanted =
        WRITTEN.iter().flat_map(|(table, columns)| columns.iter().map(move |column| (*table, *column)));
    let is_there = |(table, column): &(&str, &str)| found.iter().any(|(t, c)| t == table && c == column);
    let lacks = wanted.filter(|wanted| !is_there(wanted)).map(|(table, column)| format!("{table}.{column}"));
    Ok(lacks.collect())
}
