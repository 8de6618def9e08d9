#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use super::*;

mod redirected;

use crate::testing::{Act, Stub, http, http_with, nobody};

const BYTES_MAX: usize = 64 * 1024;

fn question(http: &Http, url: Url) -> Question {
    let timeout = http.options().request_timeout;
    Question { call: Call::Transaction, method: Method::GET, url, body: None, timeout, bytes_max: BYTES_MAX }
}

/// Asks patiently; the outcome and how many calls the server saw.
async fn ask(http: Http, acts: &'static [Act]) -> (Result<HttpAnswer, GatewayError>, usize) {
    let stub = Stub::start(acts).await;
    let question = question(&http, stub.url.clone());
    let outcome = http.patiently(|| http.once(&question)).await;
    (outcome, stub.calls().len())
}

#[tokio::test]
async fn what_may_pass_is_asked_again() {
    for acts in [
        &[Act::Answer(500, "", "oops"), Act::Answer(200, "", "good")],
        &[Act::Answer(429, "", "slower"), Act::Answer(200, "", "good")],
        &[Act::Close, Act::Answer(200, "", "good")],
        &[Act::Truncate, Act::Answer(200, "", "good")],
    ] {
        let (outcome, calls) = ask(http(), acts).await;
        assert_eq!(outcome.unwrap().body, "good", "{acts:?}");
        assert_eq!(calls, 2, "{acts:?}");
    }
}

#[tokio::test]
async fn attempts_are_bounded() {
    let (outcome, calls) = ask(http(), &[Act::Answer(503, "", "busy\r\n\x1b")]).await;
    let error = outcome.unwrap_err();
    assert!(error.is_transient());
    assert!(error.to_string().ends_with("answered 503 Service Unavailable: busy"), "{error}");
    assert_eq!(calls, 3);

    let (outcome, calls) = ask(http(), &[Act::Close]).await;
    assert!(matches!(outcome, Err(GatewayError::Unreachable { .. })), "{outcome:?}");
    assert_eq!(calls, 3);
}

#[tokio::test]
async fn answers_and_refusals_are_final() {
    let (outcome, calls) = ask(http(), &[Act::Answer(404, "", "nothing here")]).await;
    assert!(outcome.unwrap().is_absent());
    assert_eq!(calls, 1);

    let (outcome, calls) = ask(http(), &[Act::Answer(400, "", "what?")]).await;
    assert!(matches!(outcome, Err(GatewayError::Status { .. })), "{outcome:?}");
    assert!(!outcome.unwrap_err().is_transient());
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn silence_ends() {
    for acts in [&[Act::Hang], &[Act::Stall]] {
        let (outcome, calls) = ask(http_with(Duration::from_secs(2)), acts).await;
        assert!(matches!(outcome, Err(GatewayError::TimedOut { .. })), "{outcome:?}");
        assert_eq!(calls, 3, "{acts:?}");
    }
}

#[tokio::test]
async fn answers_are_bounded_while_they_come() {
    let (outcome, calls) = ask(http(), &[Act::Flood]).await;
    assert!(matches!(outcome, Err(GatewayError::TooLarge { bytes_max: BYTES_MAX, .. })), "{outcome:?}");
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn of_a_refusal_without_end_the_beginning_is_read() {
    let (outcome, calls) = ask(http(), &[Act::FloodingRefusal]).await;
    let Err(GatewayError::Status { excerpt, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(excerpt.len() <= 200 && excerpt.contains("..."), "{excerpt}");
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn bytes_one_by_one_without_end_end() {
    let (outcome, _) = ask(http_with(Duration::from_secs(2)), &[Act::Drip]).await;
    assert!(matches!(outcome, Err(GatewayError::TimedOut { .. })), "{outcome:?}");
}

#[tokio::test]
async fn data_must_keep_coming() {
    let quick = Duration::from_secs(2);
    for (acts, silence_timeout, transfer_timeout, after) in [
        (&[Act::Stall], quick, Duration::from_secs(60), quick),
        (&[Act::Drip], Duration::from_secs(60), quick, quick),
        (&[Act::Flood], Duration::from_secs(60), quick, quick),
    ] {
        let http = Http::new(HttpOptions { silence_timeout, ..HttpOptions::default() }).unwrap();
        let stub = Stub::start(acts).await;
        let question = Question { timeout: transfer_timeout, ..question(&http, stub.url.clone()) };
        let outcome = http.hash(&question).await;
        assert!(
            matches!(outcome, Err(GatewayError::TimedOut { after: waited, .. }) if waited == after),
            "{acts:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn what_a_scheduler_serves_may_take_long_while_it_comes() {
    let quick = Duration::from_secs(2);
    for (acts, head_timeout) in [(&[Act::Hang], quick), (&[Act::Stall], Duration::from_secs(60))] {
        let options = HttpOptions {
            head_timeout,
            silence_timeout: quick,
            backoff: Duration::from_millis(1),
            ..HttpOptions::default()
        };
        let stub = Stub::start(acts).await;
        let outcome = Http::new(options).unwrap().served(&stub.url, BYTES_MAX).await;
        assert!(
            matches!(outcome, Err(GatewayError::TimedOut { after, .. }) if after == quick),
            "{acts:?}: {outcome:?}"
        );
        assert_eq!(stub.calls().len(), 3, "{acts:?}");
    }
}

#[tokio::test]
async fn a_service_that_fails_is_not_asked_any_more() {
    let http = http();
    let stub = Stub::start(&[Act::Answer(500, "", "broken")]).await;
    let question = question(&http, stub.url.clone());
    for _ in 0..50 {
        http.once(&question).await.unwrap_err();
    }
    let error = http.once(&question).await.unwrap_err();
    assert!(matches!(error, GatewayError::LeftAlone { .. }), "{error:?}");
    assert!(error.to_string().contains("answered 500 Internal Server Error: broken"), "{error}");
    assert_eq!(stub.calls().len(), 8);
}

#[tokio::test]
async fn who_is_asked_for_a_pause_is_told_what_for() {
    let (outcome, calls) = ask(http(), &[Act::Answer(429, "retry-after: 100\r\n", "slower")]).await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, GatewayError::Status { .. }), "{error:?}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(100)));
    assert_eq!(calls, 1, "the pause is kept");
}

#[tokio::test]
async fn no_more_is_asked_at_a_time_than_there_are_sockets_for() {
    let http = Http::new(HttpOptions { exchanges_max: 3, ..HttpOptions::default() }).unwrap();
    let stub = Stub::start(&[Act::Slow(200, "good")]).await;
    let question = question(&http, stub.url.clone());
    let all = (0..12).map(|_| http.once(&question));
    for outcome in join_all(all).await {
        assert_eq!(outcome.unwrap().body, "good");
    }
    assert_eq!((stub.calls().len(), stub.open_max()), (12, 3));
}

#[tokio::test]
async fn who_waits_for_others_does_not_blame_the_service() {
    let http = Http::new(HttpOptions { exchanges_max: 1, ..HttpOptions::default() }).unwrap();
    let (hanging, well) =
        (Stub::start(&[Act::Stall]).await, Stub::start(&[Act::Answer(200, "", "good")]).await);
    let slow = question(&http, hanging.url.clone());
    let quick = Question { timeout: Duration::from_millis(50), ..question(&http, well.url.clone()) };
    let height = Question { call: Call::Height, timeout: Duration::from_secs(30), ..quick.clone() };
    let asked = async {
        while hanging.calls().is_empty() {
            tokio::task::yield_now().await;
        }
        for _ in 0..20 {
            let error = http.once(&quick).await.unwrap_err();
            assert!(matches!(error, GatewayError::NotAsked { .. }) && error.is_transient(), "{error:?}");
        }
        assert_eq!(http.once(&height).await.unwrap().body, "good", "heights do not wait for others");
    };
    tokio::select! {
        outcome = http.once(&slow) => panic!("{outcome:?}"),
        () = asked => {}
    }
    let patient = Question { timeout: Duration::from_secs(30), ..quick };
    assert_eq!(http.once(&patient).await.unwrap().body, "good", "it was not left alone");
}

#[tokio::test]
async fn as_many_connections_are_kept_as_are_used_at_a_time() {
    const AT_A_TIME: usize = 12;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let opened = Arc::new(AtomicUsize::new(0));
    let (counted, all_asked) = (opened.clone(), Arc::new(Barrier::new(AT_A_TIME)));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let all_asked = all_asked.clone();
            tokio::spawn(async move {
                while stream.read(&mut [0; 4096]).await.is_ok_and(|length| length > 0) {
                    all_asked.wait().await;
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood").await.unwrap();
                }
            });
        }
    });
    let options = HttpOptions { idle_sockets_max: AT_A_TIME, ..HttpOptions::default() };
    let http = Http::new(options).unwrap();
    for _ in 0..5 {
        let question = question(&http, url.clone());
        for outcome in join_all((0..AT_A_TIME).map(|_| http.once(&question))).await {
            assert_eq!(outcome.unwrap().body, "good");
        }
    }
    // One that is on its way back may be missed by the next question.
    let opened = opened.load(Ordering::SeqCst);
    assert!(opened < 2 * AT_A_TIME, "{opened} connections were opened");
}

#[tokio::test]
async fn nothing_is_unpacked() {
    for headers in
        ["content-encoding: gzip\r\n", "content-encoding: br\r\n", "content-encoding: zstd, gzip\r\n"]
    {
        let http = http();
        let acts: &'static [Act] = Box::leak(Box::new([Act::Answer(200, headers, "\u{1f}\u{8b} packed")]));
        let stub = Stub::start(acts).await;
        let question = question(&http, stub.url.clone());
        for error in [http.once(&question).await.unwrap_err(), http.hash(&question).await.unwrap_err()] {
            assert!(matches!(error, GatewayError::Body { cause: AnswerError::Encoded(_), .. }), "{error:?}");
        }
        for call in stub.calls() {
            assert!(!call.contains("accept-encoding"), "{call}");
        }
    }
}

#[tokio::test]
async fn errors_keep_their_causes() {
    let http = http();
    let error = http.once(&question(&http, nobody().await)).await.unwrap_err();
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    assert!(causes.len() > 2 && causes.last().unwrap().contains("refused"), "{causes:?}");
    assert!(error.to_string().contains(causes.last().unwrap()), "{error}");
}

#[tokio::test]
async fn nobody_is_unreachable_and_secrets_stay_here() {
    let http = http();
    let mut url = nobody().await;
    url.set_username("user").unwrap();
    url.set_password(Some("hush")).unwrap();
    url.set_path("/tx/a");
    url.set_query(Some("key=hush"));
    let error = http.once(&question(&http, url)).await.unwrap_err();
    assert!(matches!(error, GatewayError::Unreachable { .. }), "{error:?}");
    let message = format!("{error} {error:?}");
    assert!(message.contains("/tx/a"), "{message}");
    assert!(!message.contains("hush") && !message.contains("user"), "{message}");
}

#[tokio::test]
async fn redirects_keep_method_and_body() {
    let http = http();
    let stub = Stub::start(&[
        Act::Answer(301, "location: /moved\r\n", ""),
        Act::Answer(307, "location: again\r\n", ""),
        Act::Answer(200, "", "good"),
    ])
    .await;
    let mut question = question(&http, stub.url.clone());
    question.method = Method::POST;
    question.body = Some(("text/plain", "hello".into()));
    assert_eq!(http.once(&question).await.unwrap().body, "good");
    let calls = stub.calls();
    for (call, begin) in calls.iter().zip(["POST / ", "POST /moved ", "POST /again "]) {
        assert!(call.starts_with(begin), "{call}");
        assert!(call.ends_with("\r\n\r\nhello"), "{call}");
        assert!(call.contains("content-type: text/plain"), "{call}");
    }
    assert_eq!(calls.len(), 3);
}

#[tokio::test]
async fn redirects_without_end_or_aim_are_errors() {
    let (outcome, calls) = ask(http(), &[Act::Answer(302, "location: /round\r\n", "")]).await;
    assert!(matches!(outcome, Err(GatewayError::Status { status: StatusCode::FOUND, .. })), "{outcome:?}");
    assert_eq!(calls, 1 + REDIRECTS_MAX);

    for acts in [&[Act::Answer(302, "", "")], &[Act::Answer(302, "location: ftp://h/\r\n", "")]] {
        let (outcome, calls) = ask(http(), acts).await;
        assert!(matches!(outcome, Err(GatewayError::Status { .. })), "{outcome:?}");
        assert_eq!(calls, 1, "{acts:?}");
    }
}
