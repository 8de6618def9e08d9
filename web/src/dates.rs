//! A clock that tells no date that HTTP can show: before 1970, or beyond the year 9999. Hyper would panic over it with
//! each answer. What is served ends then, and whoever comes is told why.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use protocol::Code;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::canned::OPEN;
use crate::error::HttpError;

/// The first second of the year 10000, as Unix time.
const TEN_THOUSAND: Duration = Duration::from_secs(253_402_300_800);
/// How long a client has to fetch the reason.
const FETCHED: Duration = Duration::from_secs(1);

/// Whether there is no date for this time.
pub(crate) fn has_no_date(now: SystemTime) -> bool {
    now.duration_since(SystemTime::UNIX_EPOCH).map_or(true, |since| since >= TEN_THOUSAND)
}

/// Resolves when the clock has left the years that there are dates for; to be polled before whatever shows them.
pub(crate) async fn dates_end(now: fn() -> SystemTime) {
    poll_fn(|_| if has_no_date(now()) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Tells a client why it is not served.
pub(crate) async fn tell_no_date(mut socket: impl AsyncRead + AsyncWrite + Unpin, is_open: bool) {
    let text = "the clock of this machine is before 1970 or beyond the year 9999; set it right";
    let body = HttpError::new(Code::Unavailable, text).to_json();
    let open = if is_open { OPEN } else { "" };
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 60\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{open}\r\n{body}",
        body.len()
    );
    let told = async {
        let mut rest = [0; 1024];
        // No client expects an answer before it has asked.
        let _ = socket.read(&mut rest).await?;
        socket.write_all(answer.as_bytes()).await?;
        socket.shutdown().await?;
        // Closed before what it sent is read, it would not get to see the answer.
        while socket.read(&mut rest).await? > 0 {}
        Ok::<_, io::Error>(())
    };
    let _ = timeout(FETCHED, told).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn there_are_dates_from_1970_to_9999() {
        let last = SystemTime::UNIX_EPOCH + TEN_THOUSAND - Duration::from_nanos(1);
        assert!(!has_no_date(SystemTime::UNIX_EPOCH) && !has_no_date(last));
        assert!(has_no_date(SystemTime::UNIX_EPOCH + TEN_THOUSAND));
        assert!(has_no_date(SystemTime::UNIX_EPOCH - Duration::from_nanos(1)));
    }
}
