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

use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use log::{Seq, StoreId};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Executor, PgPool};
use tokio::time::timeout;
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
/// What every connection is told first. Each query is planned for what is asked, because a rare tag and a frequent
/// one need different plans; compiling a plan would take longer than running it.
const SETTINGS: &str = "set statement_timeout = '10s'; set default_transaction_read_only = on; \
                        set plan_cache_mode = force_custom_plan; set jit = off";

/// Asks the tables of one store.
#[derive(Clone, Debug)]
pub struct Queries {
    pool: PgPool,
    store: Uuid,
    asked: Arc<str>,
}

impl Queries {
    /// Nothing is connected before the first question. To be called within the async runtime.
    ///
    /// # Errors
    /// When the URL is none of Postgres.
    pub fn new(options: &PostgresOptions, store: StoreId) -> Result<Self, QueryError> {
        let url = options.read_url.as_ref().unwrap_or(&options.url);
        let connect = PgConnectOptions::from_str(url)
            .map_err(|reason| QueryError::Url(reason.to_string()))?
            .application_name("quipu queries")
            .disable_statement_logging();
        let asked = format!("{}:{}", connect.get_host(), connect.get_port()).into();
        let pool = PgPoolOptions::new()
            .max_connections(options.read_connections.max(1))
            .acquire_timeout(ACQUIRE)
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(SETTINGS).await.map(drop) })
            })
            .connect_lazy_with(connect);
        Ok(Self { pool, store: store.0, asked })
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
        let entries = self.within(entry::read(&self.pool, self.store, &selection)).await?;
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
        let entries = self.within(entry::read(&self.pool, self.store, &selection)).await?;
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
        let entries = self.within(entry::read_signed(&self.pool, self.store, &selection)).await?;
        Ok(page.list(entries, |signed| signed.entry.sequence))
    }

    /// Every place where the id is scheduled, be it that of a message or of an assignment, in the order of the log.
    /// An id can be assigned to any number of processes: of the first [`LIMIT_MAX`].
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn item(&self, id: &str) -> Result<Vec<ItemPlace>, QueryError> {
        self.within(summary::places(&self.pool, self.store, id)).await
    }

    /// Counts, of one process or of all.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn totals(&self, process: Option<&str>) -> Result<StoreTotals, QueryError> {
        self.within(summary::totals(&self.pool, self.store, process)).await
    }

    /// The last event of the store that the tables have; none while they have none.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn position(&self) -> Result<Option<Seq>, QueryError> {
        self.within(summary::position(&self.pool, self.store)).await
    }

    /// What the database would do for such a list, as it says itself: to measure with.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn explain(&self, filter: &MessageFilter, page: &ListPage) -> Result<String, QueryError> {
        let selection = Selection::messages(filter, page);
        self.within(entry::explain(&self.pool, self.store, &selection)).await
    }

    async fn within<T>(&self, answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, QueryError> {
        match timeout(ANSWER, answer).await {
            Ok(answer) => answer.map_err(|reason| QueryError::of(&self.asked, &reason)),
            Err(_) => Err(QueryError::silent(&self.asked)),
        }
    }
}
