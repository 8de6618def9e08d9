//! What databases are waited for, and for how long: one that says nothing ends a command with that as the reason.

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// For a connection to stand.
const CONNECT: Duration = Duration::from_secs(10);
/// For an answer, or the next row of one.
const ANSWER: Duration = Duration::from_secs(600);
/// For what looks through whole tables, and says nothing before it is done.
const SEARCH: Duration = Duration::from_secs(4 * 3600);

/// A thread that waits for a database.
pub(crate) struct DatabaseThread(Runtime);

impl DatabaseThread {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Builder::new_current_thread().enable_all().build()?))
    }

    /// Waits for an answer, or the next row of one.
    pub(crate) fn answer<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        self.0.block_on(within(ANSWER, work))
    }

    /// Waits for what looks through whole tables.
    pub(crate) fn search<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        self.0.block_on(within(SEARCH, work))
    }

    /// Waits for work that has its limits in it.
    pub(crate) fn limited<T>(&self, work: impl Future<Output = T>) -> T {
        self.0.block_on(work)
    }
}

/// A connection that stands in time.
pub(crate) async fn connected<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    within(CONNECT, work).await
}

/// An answer that comes in time.
pub(crate) async fn answered<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    within(ANSWER, work).await
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        let silence = format!("it said nothing for {} seconds", limit.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, silence).into())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::pending;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_ends_with_that_as_the_reason() {
        let began = Instant::now();
        let slow = async {
            sleep(ANSWER - Duration::from_secs(1)).await;
            Ok(7)
        };
        assert_eq!(answered(slow).await.unwrap(), 7);
        let told = connected(pending::<Result<(), _>>()).await.unwrap_err();
        assert!(told.to_string().ends_with("it said nothing for 10 seconds"), "{told}");
        let told = answered(pending::<Result<(), _>>()).await.unwrap_err();
        assert!(told.to_string().ends_with("it said nothing for 600 seconds"), "{told}");
        assert!(began.elapsed() < 3 * ANSWER, "{:?}", began.elapsed());
    }
}
