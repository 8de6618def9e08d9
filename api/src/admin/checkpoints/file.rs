//! A file as an answer, or a part of it: read a piece at a time as the client takes it.

use std::any::Any;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use poem::http::{StatusCode, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::payload::{Binary, Payload};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use protocol::Code;
use tokio::task::spawn_blocking;
use web::HttpError;

/// How much is read at a time.
const PIECE: u64 = 256 << 10;

/// The part of a file that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByteRange {
    from: u64,
    /// The last byte; none for the end of the file.
    to: Option<u64>,
}

/// A file on its way to a client.
pub(super) struct FileAnswer {
    file: File,
    size: u64,
    from: u64,
    end: u64,
    is_part: bool,
    /// What must last until it is sent.
    held: Box<dyn Any + Send + Sync>,
}

impl ByteRange {
    /// Reads the header; of several parts, or one that is counted from the end, nothing is taken, as is allowed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
        let range = Self {
            from: from.trim().parse().ok()?,
            to: match to.trim() {
                "" => None,
                to => Some(to.parse().ok()?),
            },
        };
        range.to.is_none_or(|to| range.from <= to).then_some(range)
    }
}

impl FileAnswer {
    /// The part of a file, or all of it.
    pub(super) fn new(
        file: File,
        size: u64,
        range: Option<ByteRange>,
        held: impl Any + Send + Sync,
    ) -> Result<Self, HttpError> {
        let from = range.map_or(0, |range| range.from);
        if range.is_some() && from >= size {
            let text = format!("the header Range begins at byte {from}, and the file has {size}");
            let refusal = HttpError::new(Code::InvalidParameter, text);
            return Err(refusal.with_status(StatusCode::RANGE_NOT_SATISFIABLE));
        }
        let end = range.and_then(|range| range.to).map_or(size, |to| to.saturating_add(1).min(size));
        Ok(Self { file, size, from, end, is_part: range.is_some(), held: Box::new(held) })
    }

    fn pieces(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        let Self { file, from, end, held, .. } = self;
        stream::try_unfold((Arc::new(file), from, held), move |(file, at, held)| async move {
            if at >= end {
                return Ok(None);
            }
            let reading = file.clone();
            let read = spawn_blocking(move || read_at(&reading, at, end.saturating_sub(at).min(PIECE)));
            let piece = read.await.map_err(io::Error::other)??;
            let next = at.saturating_add(piece.len() as u64);
            Ok(Some((piece, (file, next, held))))
        })
    }
}

/// A piece of a file. One that is shorter than it was breaks the answer off.
fn read_at(file: &File, at: u64, length: u64) -> io::Result<Bytes> {
    let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut piece, at)?;
    Ok(piece.into())
}

impl IntoResponse for FileAnswer {
    fn into_response(self) -> Response {
        let answer = Response::builder()
            .header(header::CONTENT_TYPE, Binary::<Vec<u8>>::CONTENT_TYPE)
            .header(header::ACCEPT_RANGES, "bytes")
            .header(header::CONTENT_LENGTH, self.end.saturating_sub(self.from));
        let answer = if self.is_part {
            let range = format!("bytes {}-{}/{}", self.from, self.end.saturating_sub(1), self.size);
            answer.status(StatusCode::PARTIAL_CONTENT).header(header::CONTENT_RANGE, range)
        } else {
            answer
        };
        answer.body(Body::from_bytes_stream(self.pieces()))
    }
}

impl ApiResponse for FileAnswer {
    fn meta() -> MetaResponses {
        let answer = |status, description| {
            let schema = <Binary<Vec<u8>> as Payload>::schema_ref();
            let content = vec![MetaMediaType { content_type: Binary::<Vec<u8>>::CONTENT_TYPE, schema }];
            MetaResponse { description, status: Some(status), status_range: None, content, headers: vec![] }
        };
        MetaResponses { responses: vec![answer(200, "The file."), answer(206, "The part of it.")] }
    }

    fn register(_: &mut Registry) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_is_understood_and_nothing_else() {
        let range = |from, to| Some(ByteRange { from, to });
        for (text, expected) in [
            ("bytes=0-", range(0, None)),
            ("bytes=7-9", range(7, Some(9))),
            ("bytes=7-7", range(7, Some(7))),
            ("bytes=9-7", None),
            ("bytes=-5", None),
            ("bytes=0-1,3-4", None),
            ("items=0-", None),
            ("bytes=x-", None),
            ("", None),
        ] {
            assert_eq!(ByteRange::parse(text), expected, "{text}");
        }
    }
}
