//! The tables of the Postgres projection: waiting for them, and holding them against those of a rebuild.

use std::sync::atomic::{AtomicU32, Ordering};

use quipu_tests::{Launch, Load, Node, Postgres, until};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool, query_scalar};

use crate::{copy_folder, folder};

pub const TABLES: [&str; 6] = ["processes", "messages", "assignments", "tags", "owners", "totals"];

/// What a node says of its Postgres projection.
pub async fn projection(node: &Node) -> Value {
    let status: Value = node.admin().get("/status").await.json();
    let mut projections = status["projections"].as_array().cloned().unwrap_or_default().into_iter();
    let mut found = projections.find(|one| one["name"] == "postgres").expect("it follows the log");
    found["tail"] = status["tail"].clone();
    found
}

/// Waits until the tables have all that is scheduled.
pub async fn caught_up(node: &Node) {
    until("Postgres has everything", async || {
        let said = projection(node).await;
        (said["lag_events"] == 0 && said["position"] == said["tail"] && said["error"].is_null()).then_some(())
    })
    .await;
}

/// Waits until the node says that this keeps the projection from going on; the whole of what it says.
pub async fn trouble(node: &Node, reason: &str) -> String {
    until(&format!("the status says {reason:?}"), async || {
        let said = projection(node).await["error"].as_str().map(str::to_owned);
        said.filter(|said| said.contains(reason))
    })
    .await
}

/// Waits until so many more messages are acknowledged.
pub async fn more(load: &Load, messages: usize) {
    let goal = load.acknowledged() + messages;
    until("messages are acknowledged", async || (load.acknowledged() >= goal).then_some(())).await;
}

/// The id of the store that a node writes.
pub async fn store_of(node: &Node) -> String {
    let status: Value = node.admin().get("/status").await.json();
    status["store"].as_str().expect("a store has an id").to_owned()
}

/// All rows of a store, as text, in an order that depends on nothing but them; and where its cursor is.
pub async fn rows(pool: &PgPool, store: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for table in TABLES {
        let sql =
            format!("select '{table} ' || t::text from quipu.{table} t where store = $1::uuid order by 1");
        let found: Vec<String> =
            query_scalar(AssertSqlSafe(sql)).bind(store).fetch_all(pool).await.expect("the table is there");
        rows.extend(found);
    }
    let cursor = "select 'cursor ' || concat_ws(' ', live, layout, position, fingerprint) from quipu.cursors \
                  where store = $1::uuid order by 1";
    let cursors: Vec<String> =
        query_scalar(cursor).bind(store).fetch_all(pool).await.expect("the table is there");
    rows.extend(cursors);
    rows
}

/// Holds the tables against those that another node makes from a copy of the log in an empty database. The node of
/// these tables must have stopped.
pub async fn assert_as_rebuilt(launch: &Launch, postgres: &Postgres, store: &str) {
    let copy = folder();
    copy_folder(&launch.data().join("log"), &copy.path().join("data/log"));
    // One server may have tables of several to be compared.
    static COMPARED: AtomicU32 = AtomicU32::new(0);
    let name = format!("rebuilt_{}", COMPARED.fetch_add(1, Ordering::Relaxed));
    let node = Launch::su(copy.path()).set("DATABASE_URL", postgres.create_database(&name)).serve();
    caught_up(&node).await;
    node.stop();
    let (live, rebuilt) =
        (rows(&postgres.pool().await, store).await, rows(&postgres.pool_of(&name).await, store).await);
    let difference = live.iter().zip(&rebuilt).find(|(live, rebuilt)| live != rebuilt);
    assert_eq!(difference, None, "the tables are not what a rebuild makes");
    assert_eq!(live.len(), rebuilt.len(), "the tables have other rows than a rebuild makes");
    assert!(live.len() > TABLES.len());
}
