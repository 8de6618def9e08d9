#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::time::Duration;

use super::*;
use crate::testing::{Act, Stub, http, http_with, item, nobody};

async fn upload(acts: &'static [Act]) -> (Result<(), UploadError>, Vec<String>) {
    let stub = Stub::start(acts).await;
    let http = match acts {
        [Act::Hang] => http_with(Duration::from_secs(2)),
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

#[tokio::test]
async fn a_receipt_for_another_item_does_not_count() {
    let sent = item(&[], b"sent");
    let sent_id = Item::parse(&sent).unwrap().id();
    let answer = |receipt: String| -> &'static [Act] {
        Box::leak(Box::new([Act::Answer(200, "", Box::leak(receipt.into_boxed_str()))]))
    };
    let other = "DFdbUxgkH-Fjr1vcIUEpwQxsqj-JoolbpWCnn_vBzqI";
    for (receipt, counts) in [
        (format!(r#"{{"id":"{sent_id}","timestamp":1}}"#), true),
        ("OK".to_owned(), true),
        (String::new(), true),
        (r#"{"error":null}"#.to_owned(), true),
        (format!(r#"{{"id":"{other}","timestamp":1}}"#), false),
        (format!(r#"{{"timestamp":1,"id":"{sent_id} "}}"#), false),
        (r#"{"id":""}"#.to_owned(), false),
    ] {
        let stub = Stub::start(answer(receipt.clone())).await;
        let outcome = Uploader::to_node(http(), &stub.url).upload(sent.clone()).await;
        assert_eq!(outcome.is_ok(), counts, "{receipt}: {outcome:?}");
        if let Err(error) = outcome {
            assert!(matches!(error, UploadError::OtherReceipt { sent, .. } if sent == sent_id), "{error:?}");
        }
        // A cache answers as it likes.
        let stub = Stub::start(answer(receipt)).await;
        Uploader::to_cache(http(), &stub.url).upload(sent.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn a_pause_that_the_node_asks_for_holds_for_every_item() {
    let stub = Stub::start(&[Act::Answer(429, "retry-after: 7\r\n", "slower")]).await;
    let uploader = Uploader::to_node(http(), &stub.url);
    let error = uploader.upload(item(&[], b"first")).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    let error = uploader.upload(item(&[], b"second")).await.unwrap_err();
    let wait = error.retry_after().unwrap();
    assert!(wait <= Duration::from_secs(7) && wait > Duration::from_secs(5), "{wait:?}");
    assert!(error.to_string().contains("answered 429 Too Many Requests: slower"), "{error}");
    assert_eq!(stub.calls().len(), 1, "it was sent all the same");
}

#[tokio::test]
async fn a_pause_is_bounded() {
    let stub = Stub::start(&[Act::Answer(503, "retry-after: 999999999\r\n", "")]).await;
    let error = Uploader::to_node(http(), &stub.url).upload(item(&[], b"")).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(crate::RETRY_AFTER_MAX));
}
