//! Whether the server still works on what is waited for without a limit, such as indexes being made.
//!
//! A connection may be lost without a word: the answer then never comes, however long the work may take. So a second
//! connection looks at what the server does for the first.

use std::fmt;
use std::io::ErrorKind;
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

    /// Looks on a connection made for it. One that the server refuses, or makes and does not answer, as poolers do that
    /// have no more to give, says nothing about the other one; nor does one that cannot be made for want of something
    /// on this side.
    async fn look(&self) -> Look {
        let mut second = match timeout(self.every, PgConnection::connect_with(&self.connect)).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) if is_absence(&error) => return Look::Lost(Lost::Unreachable),
            Ok(Err(_)) => return Look::Unknown,
            Err(_) => return Look::Lost(Lost::Unreachable),
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
            // Whoever is told nothing about the other one's work gets no state.
            Ok(Ok(Some((None,))) | Err(_)) | Err(_) => Look::Unknown,
        }
    }
}

/// Whether a connection was not made because nobody is there, and not for want of a descriptor or a port, or because the
/// name could not be looked up just now.
fn is_absence(error: &sqlx::Error) -> bool {
    use ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkDown,
        NetworkUnreachable, NotConnected, NotFound, TimedOut, UnexpectedEof,
    };
    // Without its file nobody listens on a socket of this machine.
    matches!(error, sqlx::Error::Io(error) if matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionRefused | ConnectionReset | HostUnreachable | NetworkDown
            | NetworkUnreachable | NotConnected | NotFound | TimedOut | UnexpectedEof
    ))
}

impl fmt::Debug for Backend {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("process", &self.process).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::io;

    use testing::RefusingPort;

    use super::*;

    async fn look_at(connect: PgConnectOptions) -> Look {
        let every = Duration::from_secs(30);
        Backend { connect, process: 1, began: String::new(), every }.look().await
    }

    #[tokio::test]
    async fn only_who_is_not_there_counts_as_lost() {
        let port = RefusingPort::take();
        let nobody = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port.number());
        assert!(matches!(look_at(nobody).await, Look::Lost(Lost::Unreachable)));
        let no_socket = PgConnectOptions::new_without_pgpass().socket("/nowhere");
        assert!(matches!(look_at(no_socket).await, Look::Lost(Lost::Unreachable)));
        // No name of a host, so that no other machine is asked.
        let unresolved = PgConnectOptions::new_without_pgpass().host("not a name");
        assert!(matches!(look_at(unresolved).await, Look::Unknown));
    }

    #[test]
    fn what_lacks_on_this_side_says_nothing_about_the_server() {
        // EMFILE, ENFILE, EADDRNOTAVAIL and ENOBUFS.
        for lacking in [24, 23, 99, 105] {
            assert!(!is_absence(&sqlx::Error::Io(io::Error::from_raw_os_error(lacking))), "{lacking}");
        }
    }
}
