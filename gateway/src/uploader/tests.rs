#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use super::*;
use crate::testing::{Act, Stub, http, http_with, nobody};

async fn upload(acts: &'static [Act]) -> (Result<(), UploadError>, Vec<String>) {
    let stub = Stub::start(acts).await;
    let http = match acts {
        [Act::Hang] => http_with(Duration::from_millis(200)),
        _ => http(),
    };
    let uploader = Uploader::to_node(http, &stub.url);
    let outcome = uploader.upload(Bytes::from_static(b"item")).await;
    (outcome, stub.calls())
}

#[tokio::test]
async fn an_item_is_posted_as_it_is() {
    let (outcome, calls) = upload(&[Act::Answer(200, "", "whatever")]).await;
    outcome.unwrap();
    assert!(calls[0].starts_with("POST /tx/arweave "), "{}", calls[0]);
    assert!(calls[0].contains("content-type: application/octet-stream"), "{}", calls[0]);
    assert!(calls[0].ends_with("\r\n\r\nitem"), "{}", calls[0]);

    let stub = Stub::start(&[Act::Answer(201, "", "")]).await;
    Uploader::to_cache(http(), &stub.url).upload(Bytes::from_static(b"item")).await.unwrap();
    let call = &stub.calls()[0];
    assert!(call.starts_with("POST /id?codec-device=ans104@1.0 "), "{call}");
}

#[tokio::test]
async fn refusals_are_told_from_what_may_pass() {
    for (acts, refused) in [
        (&[Act::Answer(400, "", "bad item")], true),
        (&[Act::Answer(402, "", "pay")], true),
        (&[Act::Answer(404, "", "")], true),
        (&[Act::Answer(408, "", "")], false),
        (&[Act::Answer(429, "", "")], false),
        (&[Act::Answer(500, "", "")], false),
        (&[Act::Answer(303, "location: /\r\n", "")], false),
        (&[Act::Close], false),
        (&[Act::Hang], false),
        (&[Act::Flood], false),
    ] {
        let (outcome, calls) = upload(acts).await;
        let error = outcome.unwrap_err();
        assert_eq!(matches!(error, UploadError::Refused { .. }), refused, "{acts:?}: {error:?}");
        assert_eq!(calls.len(), 1, "the caller repeats, not the uploader: {acts:?}");
    }
    let (outcome, _) = upload(&[Act::Answer(400, "", "bad item")]).await;
    let message = outcome.unwrap_err().to_string();
    assert!(message.ends_with("/tx/arweave refused the item with 400 Bad Request: bad item"), "{message}");
}

#[tokio::test]
async fn nobody_there_may_pass() {
    let uploader = Uploader::to_node(http(), &nobody().await);
    let outcome = uploader.upload(Bytes::from_static(b"item")).await;
    assert!(matches!(outcome, Err(UploadError::Transient(GatewayError::Unreachable { .. }))), "{outcome:?}");
}
