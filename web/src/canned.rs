//! What hyper answers by itself to HTTP/1.1, before a request comes to an endpoint: 400 and 431, with nothing in them.
//! Clients get these as they get all errors: as JSON and, where pages may call, readable for pages. A head of HTTP/2
//! that is too long comes to the endpoint, and is refused there with the same words.
//!
//! Requests that are to be refused although hyper takes them are noticed here, too, see [`crate::two_lengths`].
//!
//! Such an answer is told from others by this: nothing was asked since all that there was to send had been handed over.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use poem::http::StatusCode;
use protocol::Code;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::HttpError;
use crate::traffic::Traffic;
use crate::two_lengths::HeadLines;

/// How the first line of each begins.
const BEGINNING: &[u8] = b"HTTP/1.1 4";
/// What lets pages of others read an answer.
pub(crate) const OPEN: &str = "access-control-allow-origin: *\r\naccess-control-expose-headers: *\r\n";

/// A socket on which hyper's own answers say what was wrong.
pub(crate) struct Worded<T> {
    socket: T,
    traffic: Arc<Traffic>,
    /// Whether pages of others may read what is answered.
    is_open: bool,
    /// How many requests had begun when nothing was left to send.
    settled: u64,
    /// What is sent in the place of an answer, and how much of it has been.
    instead: Option<(Vec<u8>, usize)>,
    /// What is coming of a head.
    head: HeadLines,
}

impl<T: AsyncWrite + Unpin> Worded<T> {
    pub(crate) fn new(socket: T, traffic: Arc<Traffic>, is_open: bool) -> Self {
        Self { socket, traffic, is_open, settled: 0, instead: None, head: HeadLines::default() }
    }

    /// Sends the other answer if this is one of hyper's; none if it is not.
    fn replace(&mut self, bytes: &[u8], context: &mut Context<'_>) -> Option<Poll<io::Result<usize>>> {
        if self.instead.is_none() {
            let is_canned = self.traffic.begun() == self.settled && bytes.starts_with(BEGINNING);
            let answer = is_canned.then(|| worded(bytes, self.is_open)).flatten()?;
            self.instead = Some((answer, 0));
        }
        Some(self.send(context).map_ok(|()| bytes.len()))
    }

    fn send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some((answer, sent)) = &mut self.instead {
            let rest = answer.get(*sent..).unwrap_or_default();
            if rest.is_empty() {
                self.instead = None;
                break;
            }
            match ready!(Pin::new(&mut self.socket).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                more => *sent += more,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What is said to a head that is too long, in whatever version of HTTP.
pub(crate) fn head_too_long() -> HttpError {
    HttpError::new(
        Code::TooLarge,
        "the path or the headers are too long or too many, or Content-Length is beyond all lengths: at most 100 headers \
         and 32 KiB in all are taken",
    )
    .with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
}

/// What is said to a request that has `Content-Length` and `Transfer-Encoding`.
pub(crate) fn two_lengths() -> HttpError {
    HttpError::new(
        Code::InvalidParameter,
        "the request says how long it is with Content-Length and with Transfer-Encoding: expected one of both",
    )
}

/// The same answer with a body that says what was wrong; none where it is not understood.
fn worded(answer: &[u8], is_open: bool) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(answer).ok()?.strip_suffix("\r\n\r\n")?;
    let status = head.get(BEGINNING.len() - 1..)?.get(..3)?;
    let error = match status {
        "400" => HttpError::new(
            Code::InvalidParameter,
            "this is no request that can be read: expected a request line and headers of HTTP/1.1",
        ),
        "431" => head_too_long(),
        _ => return None,
    };
    let body = error.to_json();
    let mut lines = head.split("\r\n").filter(|line| !line.starts_with("content-length"));
    let mut worded = lines.next()?.to_owned() + "\r\n";
    for line in lines {
        worded += line;
        worded += "\r\n";
    }
    worded += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    worded += if is_open { OPEN } else { "" };
    worded += "\r\n";
    worded += &body;
    Some(worded.into_bytes())
}

impl<T: AsyncRead + Unpin> AsyncRead for Worded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, this) = (buffer.filled().len(), &mut *self);
        ready!(Pin::new(&mut this.socket).poll_read(context, buffer))?;
        let came = buffer.filled().get(before..).unwrap_or_default();
        if !this.traffic.head_comes() {
            this.head.begin_anew();
        } else if this.head.have_two_lengths(came) {
            this.traffic.next_has_two_lengths();
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Worded<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.replace(bytes, context) {
            Some(sent) => sent,
            None => Pin::new(&mut self.socket).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut pieces = bytes.iter().filter(|piece| !piece.is_empty());
        // Hyper's own answer is a head and nothing else.
        if let (Some(only), None) = (pieces.next(), pieces.next())
            && let Some(sent) = self.replace(only, context)
        {
            return sent;
        }
        Pin::new(&mut self.socket).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Hyper asks for this when it has nothing left to send.
        if let Some(begun) = self.traffic.all_answered() {
            self.settled = begun;
        }
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn an_answer_keeps_its_status_and_gets_a_body() {
        let canned =
            b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: today\r\n\r\n";
        for is_open in [true, false] {
            let worded = String::from_utf8(worded(canned, is_open).unwrap()).unwrap();
            let (head, body) = worded.split_once("\r\n\r\n").unwrap();
            assert!(
                head.starts_with("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ndate: today\r\n"),
                "{head}"
            );
            assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
            assert_eq!(head.matches("content-length").count(), 1);
            assert_eq!(head.contains("access-control-allow-origin: *"), is_open, "{head}");
            assert!(body.starts_with('{') && body.contains("invalid_parameter"), "{body}");
        }
        for other in [
            &b"HTTP/1.1 404 Not Found\r\n\r\n"[..],
            b"HTTP/1.1 4",
            b"HTTP/1.1 400\r\nbody",
            b"HTTP/1.1 4\xff\xff\r\n\r\n",
        ] {
            assert!(worded(other, true).is_none());
        }
    }
}
