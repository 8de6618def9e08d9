#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use reqwest::{Method, StatusCode, Url};
use tokio::time::{advance, sleep};

use super::*;

fn question(call: Call, url: &str) -> Question {
    let url = Url::parse(url).unwrap();
    Question { call, method: Method::GET, url, body: None, timeout: FIRST_PAUSE, bytes_max: 1 }
}

fn raw() -> Question {
    question(Call::Raw, "http://gateway/raw/a")
}

fn late() -> GatewayError {
    GatewayError::TimedOut { call: Call::Raw, url: "http://gateway/raw/a".into(), after: FIRST_PAUSE }
}

fn status(status: u16, retry_after: Option<u64>) -> GatewayError {
    GatewayError::Status {
        call: Call::Raw,
        url: "http://gateway/raw/a".into(),
        status: StatusCode::from_u16(status).unwrap(),
        excerpt: "busy".into(),
        retry_after: retry_after.map(Duration::from_secs),
    }
}

fn fail(breakers: &Breakers, times: u32) {
    for _ in 0..times {
        breakers.admit(&raw()).unwrap().settle(Some(&late()));
    }
}

fn wait(breakers: &Breakers) -> Option<Duration> {
    match breakers.admit(&raw()) {
        Ok(_) => None,
        Err(GatewayError::LeftAlone { wait, failure, .. }) => {
            assert!(failure.contains("did not answer"), "{failure}");
            Some(wait)
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_is_left_alone_ever_longer_and_tried_by_one() {
    let breakers = Breakers::default();
    fail(&breakers, FAILURES_MAX - 1);
    assert_eq!(wait(&breakers), None);
    fail(&breakers, 1);
    for pause in [2, 4, 8, 16, 32, 32] {
        let pause = Duration::from_secs(pause);
        assert_eq!(wait(&breakers), Some(pause));
        advance(pause).await;
        let probe = breakers.admit(&raw()).unwrap();
        assert_eq!(wait(&breakers), Some(Duration::ZERO), "one is enough");
        probe.settle(Some(&late()));
    }
    advance(LAST_PAUSE).await;
    breakers.admit(&raw()).unwrap().settle(None);
    fail(&breakers, FAILURES_MAX - 1);
    assert_eq!(wait(&breakers), None, "it begins anew");
}

#[tokio::test(start_paused = true)]
async fn answers_in_between_and_answers_of_any_kind_show_that_it_is_well() {
    for answer in [None, Some(status(404, None)), Some(status(400, None))] {
        let breakers = Breakers::default();
        for _ in 0..3 {
            fail(&breakers, FAILURES_MAX - 1);
            breakers.admit(&raw()).unwrap().settle(answer.as_ref());
        }
        assert_eq!(wait(&breakers), None, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_question_and_each_service_is_judged_by_itself() {
    let breakers = Breakers::default();
    fail(&breakers, FAILURES_MAX);
    assert!(breakers.admit(&question(Call::Raw, "http://gateway/raw/b")).is_err());
    assert!(breakers.admit(&question(Call::Height, "http://gateway/info")).is_ok());
    assert!(breakers.admit(&question(Call::Raw, "http://gateway:81/raw/a")).is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_the_trial_to_the_next() {
    let breakers = Breakers::default();
    fail(&breakers, FAILURES_MAX);
    advance(FIRST_PAUSE).await;
    drop(breakers.admit(&raw()).unwrap());
    assert_eq!(wait(&breakers), None);
}

#[tokio::test(start_paused = true)]
async fn questions_from_before_do_not_prolong_the_pause() {
    let breakers = Breakers::default();
    let old: Vec<_> = (0..20).map(|_| breakers.admit(&raw()).unwrap()).collect();
    fail(&breakers, FAILURES_MAX);
    sleep(FIRST_PAUSE / 2).await;
    for trial in old {
        trial.settle(Some(&late()));
    }
    assert_eq!(wait(&breakers), Some(FIRST_PAUSE / 2));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_asked_for_is_kept_by_uploads_too() {
    for (call, code) in [(Call::Raw, 503), (Call::Upload, 429), (Call::Upload, 402)] {
        let breakers = Breakers::default();
        let question = question(call, "http://gateway/tx");
        breakers.admit(&question).unwrap().settle(Some(&status(code, Some(100))));
        let error = breakers.admit(&question).unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(100)), "{error}");
        assert!(error.is_transient());
        advance(Duration::from_secs(100)).await;
        breakers.admit(&question).unwrap().settle(None);
        assert!(breakers.admit(&question).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn uploads_have_a_patience_of_their_own() {
    let breakers = Breakers::default();
    let question = question(Call::Upload, "http://node/tx/arweave");
    for _ in 0..10 * FAILURES_MAX {
        breakers.admit(&question).unwrap().settle(Some(&late()));
    }
}
