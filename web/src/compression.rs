//! Compression, for those who ask for it. Poem has a middleware for this, which does not know the name of zstd,
//! compresses for clients that refuse to have it, and all at once what is there at once.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http_body::Body as _;
use http_body_util::combinators::BoxBody;
use poem::http::{HeaderMap, HeaderValue, header};
use poem::web::{Compress, CompressionAlgo, CompressionLevel};
use poem::{Body, Endpoint, IntoResponse, Request, Response};
use tokio::task::yield_now;

use crate::budget::{Budget, Share, keep_with};
use crate::counted::Relayed;

/// How much is compressed before others have their turn, in bytes.
const PIECE: usize = 64 << 10;
/// What is no longer than this wins too little for the memory that it takes to compress it, in bytes.
const SMALL: u64 = 4 << 10;
/// The same of what a page consists of: that is many short files, which become a third.
const SMALL_OF_PAGE: u64 = 512;

/// In the order in which they are preferred among those that the client likes equally.
const KNOWN: [(&str, CompressionAlgo); 3] =
    [("zstd", CompressionAlgo::ZSTD), ("br", CompressionAlgo::BR), ("gzip", CompressionAlgo::GZIP)];

/// Compresses what the endpoint answers, as the request's `Accept-Encoding` has it.
pub(crate) async fn as_asked<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let (wanted, budget) = (wanted(request.headers()), Budget::of(&request));
    let mut answer = endpoint.call(request).await?.into_response();
    if answer.data::<Relayed>().is_some() {
        return Ok(answer);
    }
    let body = BoxBody::from(answer.take_body());
    let small = if is_of_page(&answer) { SMALL_OF_PAGE } else { SMALL };
    let is_small = body.size_hint().upper().is_some_and(|length| length <= small);
    let body = Body::from(body);
    if body.is_empty() || is_event_stream(&answer) || is_file(&answer) {
        answer.set_body(body);
        return Ok(answer);
    }
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    // Whoever asks for it can do without, while there is no memory for it.
    let claimed = wanted.filter(|_| !is_small).and_then(|algorithm| {
        Some((algorithm, budget.try_claim(Share::Answers, working_memory(algorithm))?))
    });
    let Some((algorithm, claim)) = claimed else {
        answer.set_body(body);
        return Ok(answer);
    };
    answer.set_body(Body::from_bytes_stream(in_turns(body)));
    // Pages are mostly base64 of random bytes: more effort would win nothing.
    let mut answer = Compress::new(answer, algorithm).with_quality(CompressionLevel::Fastest).into_response();
    let (compressed, claim) = (answer.take_body(), Arc::new(claim));
    let counted = in_turns(compressed).map_ok(move |bytes| keep_with(bytes, claim.clone()));
    answer.set_body(Body::from_bytes_stream(counted));
    Ok(answer)
}

/// What a compressor takes up while it works, in bytes.
fn working_memory(algorithm: CompressionAlgo) -> usize {
    match algorithm {
        CompressionAlgo::BR => 512 << 10,
        CompressionAlgo::ZSTD => 1 << 20,
        CompressionAlgo::GZIP | CompressionAlgo::DEFLATE => 256 << 10,
    }
}

/// A body a piece at a time, with others having their turn before each of them. Where it is compressed it makes the
/// compressor stop and hand out what it has; and what the compressor hands out, in turns again, makes the executor go on
/// with others.
fn in_turns(body: Body) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let cut = |mut bytes: Bytes| {
        let next = move || (!bytes.is_empty()).then(|| Ok(bytes.split_to(bytes.len().min(PIECE))));
        stream::iter(std::iter::from_fn(next))
    };
    let pieces = body.into_bytes_stream().map_ok(cut).try_flatten();
    pieces.then(|piece| async {
        yield_now().await;
        piece
    })
}

/// Whether it is server-sent events, which must not wait until a compressor has enough of them.
fn is_event_stream(answer: &Response) -> bool {
    answer.content_type().is_some_and(|content| content.starts_with("text/event-stream"))
}

/// Whether it is a part of a page for a browser.
fn is_of_page(answer: &Response) -> bool {
    let content = answer.content_type().unwrap_or_default();
    ["text/html", "text/css", "text/javascript"].iter().any(|kind| content.starts_with(kind))
}

/// Whether it is a file as it is, of which parts may be asked for: what is in it is compressed already.
fn is_file(answer: &Response) -> bool {
    answer.content_type() == Some("application/octet-stream")
}

/// The encoding that the client likes best; none where it likes plain answers better than all that is known here.
fn wanted(headers: &HeaderMap) -> Option<CompressionAlgo> {
    let listed: Vec<(String, f32)> = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(weighed)
        .collect();
    let weight = |name: &str| listed.iter().find(|(listed, _)| listed == name).map(|(_, weight)| *weight);
    let plain = weight("identity").unwrap_or(0.0);
    let mut best: Option<(f32, CompressionAlgo)> = None;
    for (name, algorithm) in KNOWN {
        let weight = weight(name).unwrap_or(0.0);
        if weight > best.map_or(0.0, |(best, _)| best) && weight >= plain {
            best = Some((weight, algorithm));
        }
    }
    best.map(|(_, algorithm)| algorithm)
}

/// One entry: the name and how much it is liked, from 0 to 1.
fn weighed(entry: &str) -> Option<(String, f32)> {
    let mut parts = entry.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((name, weight.map_or(Some(1.0), |weight| weight.parse().ok())?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use poem::endpoint::make_sync;

    use super::*;

    const LENGTH: usize = 16 << 20;

    /// What becomes so little that a compressor has long nothing to hand out, and what does not become less.
    fn large() -> [Bytes; 2] {
        let noise = (0..LENGTH).map(|place| (place.wrapping_mul(0x9e37_79b9) >> 13) as u8);
        [Bytes::from(vec![0; LENGTH]), noise.collect()]
    }

    async fn compressed(body: Bytes, encoding: &'static str, budget: Budget) -> Response {
        let endpoint = Arc::new(make_sync(move |_| Response::builder().body(body.clone())));
        let mut request = Request::builder().header(header::ACCEPT_ENCODING, encoding).finish();
        request.set_data(budget);
        as_asked(endpoint, request).await.unwrap()
    }

    #[tokio::test]
    async fn others_have_their_turn_between_pieces() {
        for encoding in ["zstd", "br", "gzip"] {
            for body in large() {
                let turns = Arc::new(AtomicUsize::new(0));
                let counted = turns.clone();
                let other = tokio::spawn(async move {
                    loop {
                        counted.fetch_add(1, Ordering::Relaxed);
                        yield_now().await;
                    }
                });
                let mut answer = compressed(body, encoding, Budget::default()).await;
                assert_eq!(answer.header(header::CONTENT_ENCODING), Some(encoding));
                let mut pieces = Box::pin(answer.take_body().into_bytes_stream());
                while let Some(piece) = pieces.next().await {
                    assert!(!piece.unwrap().is_empty());
                }
                let turns = turns.load(Ordering::Relaxed);
                assert!(turns >= LENGTH / PIECE, "{encoding}: others had {turns} turns");
                other.abort();
            }
        }
    }

    #[tokio::test]
    async fn who_cannot_be_compressed_for_gets_it_plain() {
        let budget = Budget::new(32 << 20);
        let body = || Bytes::from(vec![0; 1 << 20]);
        let first = compressed(body(), "br", budget.clone()).await;
        assert_eq!(first.header(header::CONTENT_ENCODING), Some("br"));
        let all = budget.share(Share::Answers) - working_memory(CompressionAlgo::BR);
        let rest = budget.try_claim(Share::Answers, all).unwrap();
        let plain = compressed(body(), "br", budget.clone()).await;
        assert_eq!(plain.header(header::CONTENT_ENCODING), None);
        assert_eq!(plain.into_body().into_bytes().await.unwrap().len(), 1 << 20);
        drop((first, rest));
        assert!(budget.try_claim(Share::Answers, budget.share(Share::Answers)).is_some());
    }

    #[tokio::test]
    async fn what_is_short_is_not_compressed() {
        for (length, expected) in [(100, None), (4 << 10, None), (5 << 10, Some("zstd"))] {
            let answer = compressed(Bytes::from(vec![0; length]), "zstd", Budget::default()).await;
            assert_eq!(answer.header(header::CONTENT_ENCODING), expected, "{length}");
            assert_eq!(answer.header(header::VARY), Some("accept-encoding"));
        }
    }

    #[test]
    fn only_what_is_asked_for() {
        for (asked, expected) in [
            ("", None),
            ("identity", None),
            ("*", None),
            ("deflate", None),
            ("gzip", Some(CompressionAlgo::GZIP)),
            ("GZIP;q=0.5", Some(CompressionAlgo::GZIP)),
            ("gzip;q=0", None),
            ("gzip, deflate, br", Some(CompressionAlgo::BR)),
            ("gzip, br, zstd", Some(CompressionAlgo::ZSTD)),
            ("gzip;q=1.0, zstd; q=0.8", Some(CompressionAlgo::GZIP)),
            ("identity;q=1, gzip;q=0.5", None),
            ("gzip;q=x", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(asked));
            assert_eq!(wanted(&headers), expected, "{asked}");
        }
        assert_eq!(wanted(&HeaderMap::new()), None);
    }
}
