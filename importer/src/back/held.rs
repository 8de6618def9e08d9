//! What a database holds where rows go.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;

use super::BackRow;

/// A row of the database, by what tells it from others.
pub(super) struct HeldRow {
    assignment: Option<String>,
    message: String,
    /// Where the assignment alone does not tell.
    bundle: Option<Vec<u8>>,
}

impl HeldRow {
    pub(super) fn of(row: &BackRow) -> Self {
        let bundle = Some(row.blob.clone());
        Self { assignment: row.assignment.clone(), message: row.message.clone(), bundle }
    }

    /// Around what was scheduled here an item is signed each time anew: its assignment is the same.
    pub(super) fn is(&self, row: &BackRow) -> bool {
        match (&self.assignment, &row.assignment) {
            (Some(held), Some(own)) => held == own,
            // A process without an assignment is its item, whatever is around it.
            (None, None) if row.is_process => row.nonce.is_none() || self.has_bundle_of(row),
            _ => self.has_bundle_of(row),
        }
    }

    fn has_bundle_of(&self, row: &BackRow) -> bool {
        self.bundle.as_ref() == Some(&row.blob)
    }

    /// What it is, for a person.
    pub(super) fn what(&self) -> String {
        match &self.assignment {
            Some(assignment) => format!("the assignment {assignment}"),
            None => format!("the message {} in another item", self.message),
        }
    }
}

/// The processes of these rows that are held.
pub(super) async fn processes(
    connection: &mut PgConnection,
    rows: &[BackRow],
) -> Result<HashMap<String, HeldRow>, sqlx::Error> {
    let sql = "select process_id, process_data->'assignment'->>'id', \
                      case when process_data->'assignment'->>'id' is null then bundle end \
               from processes where process_id = any($1)";
    let names: Vec<_> = rows.iter().map(|row| row.process.to_string()).collect();
    let held: Vec<(String, Option<String>, Option<Vec<u8>>)> =
        sqlx::query_as(sql).bind(names).fetch_all(connection).await?;
    let held = held.into_iter().map(|(process, assignment, bundle)| {
        (process.clone(), HeldRow { assignment, message: process, bundle })
    });
    Ok(held.collect())
}

/// Process, nonce, assignment, message and stored bytes.
type FoundMessage = (String, i64, Option<String>, String, Option<Vec<u8>>);

/// The messages that are held where some are to go.
#[derive(Default)]
pub(super) struct HeldMessages {
    places: HashMap<(String, i64), Vec<HeldRow>>,
    assignments: HashSet<String>,
}

impl HeldMessages {
    pub(super) async fn read(connection: &mut PgConnection, rows: &[BackRow]) -> Result<Self, sqlx::Error> {
        let sql = "select m.process_id, m.nonce::int8, m.assignment_id, m.message_id, \
                          case when m.assignment_id is null or a is null then m.bundle end \
                   from messages m join unnest($1::text[], $2::int4[], $3::text[]) as r (p, n, a) \
                        on m.process_id = p and m.nonce = n";
        let held: Vec<FoundMessage> = sqlx::query_as(sql)
            .bind(rows.iter().map(|row| row.process.to_string()).collect::<Vec<_>>())
            .bind(rows.iter().map(super::postgres::nonce).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.assignment.as_deref()).collect::<Vec<_>>())
            .fetch_all(&mut *connection)
            .await?;
        let mut found = Self::default();
        for (process, nonce, assignment, message, bundle) in held {
            let held = HeldRow { assignment, message, bundle };
            found.places.entry((process, nonce)).or_default().push(held);
        }
        // No two rows may have one assignment, wherever they are.
        let sql = "select assignment_id from messages where assignment_id = any($1)";
        let own: Vec<_> = rows.iter().filter_map(|row| row.assignment.clone()).collect();
        let held: Vec<String> = sqlx::query_scalar(sql).bind(own).fetch_all(connection).await?;
        found.assignments.extend(held);
        Ok(found)
    }

    /// What is at the place of a row.
    pub(super) fn at(&self, row: &BackRow) -> &[HeldRow] {
        let nonce = row.nonce.and_then(|nonce| i64::try_from(nonce).ok());
        let found = nonce.and_then(|nonce| self.places.get(&(row.process.to_string(), nonce)));
        found.map_or(&[], Vec::as_slice)
    }

    /// Whether the assignment of a row is held.
    pub(super) fn has_assignment(&self, row: &BackRow) -> bool {
        row.assignment.as_ref().is_some_and(|assignment| self.assignments.contains(assignment))
    }
}
