//! Compression, for those who ask for it. Poem has a middleware for this, which does not know the name of zstd and
//! compresses for clients that refuse to have it.

use std::sync::Arc;

use poem::http::{HeaderMap, HeaderValue, header};
use poem::web::{Compress, CompressionAlgo, CompressionLevel};
use poem::{Endpoint, IntoResponse, Request, Response};

/// In the order in which they are preferred among those that the client likes equally.
const KNOWN: [(&str, CompressionAlgo); 3] =
    [("zstd", CompressionAlgo::ZSTD), ("br", CompressionAlgo::BR), ("gzip", CompressionAlgo::GZIP)];

/// Compresses what the endpoint answers, as the request's `Accept-Encoding` has it.
pub(crate) async fn as_asked<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let wanted = wanted(request.headers());
    let mut answer = endpoint.call(request).await?.into_response();
    let body = answer.take_body();
    let is_empty = body.is_empty();
    answer.set_body(body);
    if is_empty {
        return Ok(answer);
    }
    answer.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    // Pages are mostly base64 of random bytes: more effort would win nothing.
    Ok(match wanted {
        Some(algorithm) => {
            Compress::new(answer, algorithm).with_quality(CompressionLevel::Fastest).into_response()
        }
        None => answer,
    })
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

    use super::*;

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
