//! Whether the server still works on what is waited for without a limit, such as indexes being made.
//!
//! A connection may be lost without a word: the answer then never comes, however long the work may take. So a second
//! connection looks at what the server does for the first.

use std::fmt;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection, query_as};
use thiserror::Error;
use tokio::time::{sleep, timeout};

use super::options::PostgresOptions;
use super::session::Session;
use crate::projection::ProjectionError;

/// So many looks one after the other have to say that nothing is done: an answer may just be on its way.
const IDLE_LOOKS: u32 = 3;

/// The server's process behind a connection.
#[derive(Clone)]
pub(super) struct Backend {
    connect: PgConnectOptions,
    process: i32,
    /// When it began: another one may have its number later.
    began: String,
    /// The pause between looks, and how long each may take.
    every: Duration,
}

/// Nothing more will come of what was asked of the server.
#[derive(Clone, Copy, Debug, Error)]
pub(super) enum Lost {
    #[error("the server has ended the connection, and that was not heard of here")]
    Ended,
    #[error("the server does not work on what it was asked any more, and its answer was lost")]
    Idle,
    #[error("the server cannot be reached any more")]
    Unreachable,
}

/// What one look found.
enum Look {
    Works,
    /// It could not be told, though somebody is there.
    Unknown,
    Lost(Lost),
}

impl Backend {
    /// The process behind this connection; how it can be asked about.
    pub(super) async fn of(
        session: &mut Session,
        options: &PostgresOptions,
    ) -> Result<Self, ProjectionError> {
        let asked = "select pid, backend_start::text from pg_stat_activity where pid = pg_backend_pid()";
        let (process, began) = session.one(query_as(asked)).await?;
        let connect = options.url.connect_as(options.writer_name());
        Ok(Self { connect, process, began, every: options.answer_within })
    }

    /// Ends when the server works no more for that connection.
    pub(super) async fn lost(&self) -> Lost {
        let mut idle = 0;
        loop {
            sleep(self.every).await;
            match self.look().await {
                Look::Lost(lost) => {
                    idle += 1;
                    if idle == IDLE_LOOKS || matches!(lost, Lost::Ended) {
                        return lost;
                    }
                }
                Look::Works | Look::Unknown => idle = 0,
            }
        }
    }

    /// Looks on a connection made for it. One that is refused, or made and not answered, as poolers do that have no
    /// more to give, says nothing about the other one.
    async fn look(&self) -> Look {
        let mut second = match timeout(self.every, PgConnection::connect_with(&self.connect)).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(sqlx::Error::Database(_))) => return Look::Unknown,
            Ok(Err(_)) | Err(_) => return Look::Lost(Lost::Unreachable),
        };
        // Nothing is working if the rest of the statement is still to come.
        let asked = "select state like 'idle%' or (state = 'active' and wait_event = 'ClientRead') \
                     from pg_stat_activity where pid = $1 and backend_start::text = $2";
        let asked = query_as::<_, (Option<bool>,)>(asked).bind(self.process).bind(&self.began);
        let found = timeout(self.every, asked.fetch_optional(&mut second)).await;
        let _ = timeout(self.every, second.close()).await;
        match found {
            Ok(Ok(Some((Some(true),)))) => Look::Lost(Lost::Idle),
            Ok(Ok(Some((Some(false),)))) => Look::Works,
            Ok(Ok(None)) => Look::Lost(Lost::Ended),
            // A server may be told not to keep track of what its processes do.
            Ok(Ok(Some((None,))) | Err(_)) | Err(_) => Look::Unknown,
        }
    }
}

impl fmt::Debug for Backend {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("process", &self.process).finish_non_exhaustive()
    }
}
