//! Questions that Postgres answers: lists by tag, owner, recipient and time, places of an id, totals.
//!
//! Nothing here writes, and nothing hangs: connections are made when they are needed and given up after a while, and
//! the database itself ends what takes too long.

mod entry;
mod error;
mod filter;
mod page;
mod select;
mod summary;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use log::{Seq, StoreId};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgConnection, PgPool};
use tokio::time::timeout;
use tracing::{debug, info, warn};
use uuid::Uuid;

pub use entry::{EntryKind, EntryTag, QueryEntry, SignedEntry};
pub use error::QueryError;
pub use filter::{MessageFilter, ProcessFilter, TagAnyOf, TagIs, TransactionFilter};
pub use page::{LIMIT_MAX, LIMIT_USUAL, ListOrder, ListPage, QueryList};
pub use summary::{ItemPlace, StoreTotals};

use super::options::PostgresOptions;
use select::Selection;

/// How long is waited for a free connection, or for a new one.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long is waited for an answer in all: beyond the database's own bound, for one that does not answer at all.
const ANSWER: Duration = Duration::from_secs(16);
/// A connection that nobody uses for so long is closed, before a network in between forgets it.
const IDLE: Duration = Duration::from_secs(60);
/// How every question begins. Settings are those of one transaction and no statement outlives it, so that a pooler may
/// be in the way. Each query is planned for what is asked, because a rare tag and a frequent one need different plans;
/// compiling a plan would take longer than running it.
const BEGIN: &str = "begin read only; set local statement_timeout = '10s'; \
                     set local plan_cache_mode = force_custom_plan; set local jit = off";

/// Asks the tables of one store.
#[derive(Clone, Debug)]
pub struct Queries {
    pool: PgPool,
    store: Uuid,
    database: Arc<str>,
    /// Whether it was told that the database cannot be asked.
    failing: Arc<AtomicBool>,
}

impl Queries {
    /// Nothing is connected before the first question. To be called within the async runtime.
    pub fn new(options: &PostgresOptions, store: StoreId) -> Self {
        let url = options.read_url.as_ref().unwrap_or(&options.url);
        let pool = PgPoolOptions::new()
            .max_connections(options.read_connections.max(1))
            .acquire_timeout(ACQUIRE)
            .idle_timeout(IDLE)
            .connect_lazy_with(url.connect_as("quipu queries"));
        Self { pool, store: store.0, database: url.place().into(), failing: Arc::default() }
    }

    /// The processes that meet all conditions.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn processes(
        &self,
        filter: &ProcessFilter,
        page: &ListPage,
    ) -> Result<QueryList<QueryEntry>, QueryError> {
        let selection = Selection::processes(filter, page);
        let entries = self.ask(async |on| entry::read(on, self.store, &selection).await).await?;
        Ok(page.list(entries, |entry| entry.sequence))
    }

    /// The messages, spawns among them, that meet all conditions.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn messages(
        &self,
        filter: &MessageFilter,
        page: &ListPage,
    ) -> Result<QueryList<QueryEntry>, QueryError> {
        let selection = Selection::messages(filter, page);
        let entries = self.ask(async |on| entry::read(on, self.store, &selection).await).await?;
        Ok(page.list(entries, |entry| entry.sequence))
    }

    /// The items, as gateways list them: with what their signers wrote.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn transactions(
        &self,
        filter: &TransactionFilter,
        page: &ListPage,
    ) -> Result<QueryList<SignedEntry>, QueryError> {
        let selection = Selection::transactions(filter, page);
        let entries = self.ask(async |on| entry::read_signed(on, self.store, &selection).await).await?;
        Ok(page.list(entries, |signed| signed.entry.sequence))
    }

    /// Every place where the id is scheduled, be it that of a message or of an assignment, in the order of the log.
    /// An id can be assigned to any number of processes: of the first [`LIMIT_MAX`].
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn item(&self, id: &str) -> Result<Vec<ItemPlace>, QueryError> {
        self.ask(async |on| summary::places(on, self.store, id).await).await
    }

    /// Counts, of one process or of all.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn totals(&self, process: Option<&str>) -> Result<StoreTotals, QueryError> {
        self.ask(async |on| summary::totals(on, self.store, process).await).await
    }

    /// The last event of the store that the tables have; none while they have none.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn position(&self) -> Result<Option<Seq>, QueryError> {
        self.ask(async |on| summary::position(on, self.store).await).await
    }

    /// What the database would do for such a list, as it says itself: to measure with.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn explain(&self, filter: &MessageFilter, page: &ListPage) -> Result<String, QueryError> {
        let selection = Selection::messages(filter, page);
        self.ask(async |on| entry::explain(on, self.store, &selection).await).await
    }

    /// Asks within a transaction of its own.
    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, QueryError> {
        let asked = timeout(ANSWER, async {
            let mut transaction = self.pool.begin_with(BEGIN).await?;
            let answer = question(&mut transaction).await?;
            transaction.commit().await?;
            Ok(answer)
        });
        let answer = match asked.await {
            Ok(answer) => answer.map_err(QueryError::of),
            Err(_) => Err(QueryError::silent()),
        };
        self.note(answer.as_ref().err());
        answer
    }

    /// Tells the operator once, and in full, what clients are told of in general.
    fn note(&self, error: Option<&QueryError>) {
        let database = self.database.as_ref();
        match error {
            None if self.failing.swap(false, Ordering::Relaxed) => {
                info!(database, "queries are answered again")
            }
            Some(error @ (QueryError::Unavailable { .. } | QueryError::Damaged(_))) => {
                let error = error.told_in_full();
                if self.failing.swap(true, Ordering::Relaxed) {
                    debug!(database, error, "a query cannot be answered");
                } else {
                    warn!(database, error, "queries cannot be answered");
                }
            }
            _ => {}
        }
    }
}
