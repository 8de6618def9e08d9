//! What is there, what is not, and what nobody said, of schedulers that tell it in different ways.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::future::pending;

use poem::endpoint::make_sync;
use poem::http::StatusCode;
use poem::{Endpoint, Request, Response};
use tokio::net::TcpListener;
use web::Limits;

use super::*;

/// A scheduler with one process that answers these to its newest entry, to its schedule and to the process by itself.
async fn scheduler(newest: (u16, &str), schedule: (u16, &str), itself: (u16, &str)) -> SchedulerClient {
    let answers = [newest, schedule, itself].map(|(status, body)| (status, body.to_owned()));
    let endpoint = make_sync(move |request: Request| {
        let is_schedule = request.uri().query().is_some_and(|query| query.contains("process-id"));
        let asked = if request.uri().path().ends_with("/latest") { 0 } else { 2 - usize::from(is_schedule) };
        let (status, body) = answers[asked].clone();
        Response::builder().status(StatusCode::from_u16(status).unwrap()).body(body)
    });
    serving(endpoint).await
}

async fn serving(endpoint: impl Endpoint<Output = Response> + 'static) -> SchedulerClient {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(web::serve(listener, None, endpoint, pending(), Limits::default()));
    SchedulerClient::new(&url).unwrap()
}

fn process() -> ProcessId {
    Id::from_bytes([7; 32]).into()
}

fn itself() -> Value {
    let tags = json!([{ "name": "Type", "value": "Process" }]);
    json!({ "message": { "id": process().to_string(), "owner": { "key": "" }, "tags": tags, "signature": "" }, "assignment": null })
}

fn page(edges: &[Value], has_next_page: bool) -> String {
    let edges: Vec<_> = edges.iter().map(|node| json!({ "node": node, "cursor": "0" })).collect();
    json!({ "page_info": { "has_next_page": has_next_page }, "edges": edges }).to_string()
}

async fn told(scheduler: &SchedulerClient) -> Result<Value, Code> {
    match paging::rows(scheduler, process(), None, 10).await {
        Ok(Spoken::Json(told)) => Ok(told),
        Ok(Spoken::Bytes(_)) => panic!("rows are JSON"),
        Err(error) => Err(error.code()),
    }
}

#[tokio::test]
async fn a_process_with_nothing_behind_it_is_here() {
    let (alone, nothing, itself) = (page(&[itself()], false), page(&[], false), itself().to_string());
    for status in [400, 404] {
        for schedule in [&alone, &nothing] {
            let told = told(&scheduler((status, ""), (200, schedule), (200, &itself)).await).await.unwrap();
            assert_eq!((&told["newest"], &told["next"]), (&Value::Null, &Value::Null));
            assert_eq!(told["entries"][0]["message"], process().to_string());
        }
    }
}

#[tokio::test]
async fn what_is_not_here_is_what_was_said_not_to_be() {
    let nothing = page(&[], false);
    for (newest, schedule) in [((404, ""), (404, "")), ((400, ""), (400, "")), ((404, ""), (200, &*nothing))]
    {
        let told = told(&scheduler(newest, schedule, (404, "")).await).await;
        assert_eq!(told, Err(Code::NotFound), "{newest:?} {schedule:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_neither_none_nor_absence() {
    let (alone, more) = (page(&[itself()], false), page(&[itself()], true));
    let nothing = r#"{"message":null,"assignment":null}"#;
    for (newest, schedule) in [
        ((403, ""), (200, &*alone)),
        ((404, ""), (403, "")),
        ((404, ""), (200, &*more)),
        ((200, nothing), (200, &*alone)),
    ] {
        let told = told(&scheduler(newest, schedule, (200, &itself().to_string())).await).await;
        assert_eq!(told, Err(Code::GatewayError), "{newest:?} {schedule:?}");
    }
}

#[tokio::test]
async fn a_failure_where_a_process_is_asked_for_by_itself_is_no_absence() {
    let mut other = self::itself();
    other["message"]["id"] = Id::from_bytes([8; 32]).to_string().into();
    let behind = page(&[other], false);
    for status in [400, 404, 405, 429, 500, 503] {
        let told = told(&scheduler((404, ""), (200, &*behind), (status, "")).await).await;
        let is_absence = told == Err(Code::NotFound);
        assert_eq!((told.is_err(), is_absence), (true, status < 429), "{status}: {told:?}");
    }
}

#[tokio::test]
async fn an_answer_about_another_id_is_none() {
    let other = Id::from_bytes([9; 32]).to_string();
    let item =
        |id: &str, tags: Value| json!({ "id": id, "owner": { "key": "" }, "tags": tags, "signature": "" });
    let of =
        json!([{ "name": "Process", "value": process().to_string() }, { "name": "Message", "value": other }]);
    let info = r#"{"address":"x","timestamp":"1"}"#;
    // Of the process there is nothing; the pair that is answered is about others.
    for pair in [
        json!({ "message": item(&other, json!([])), "assignment": item(&other, of.clone()) }),
        json!({ "message": null, "assignment": item(&other, of.clone()) }),
    ] {
        let endpoint = make_sync(move |request: Request| match request.uri().path() {
            "/" => Response::builder().body(info),
            _ if request.uri().query().is_some_and(|query| query.contains("process-id")) => {
                Response::builder().status(StatusCode::NOT_FOUND).finish()
            }
            _ => Response::builder().body(pair.to_string()),
        });
        let scheduler = serving(endpoint).await;
        let asked = Id::from_bytes([5; 32]);
        assert_eq!(ids(&scheduler, asked).await.map(|_| ()).unwrap_err().code(), Code::GatewayError);
        // What is asked for by the id that it names is there.
        let named: Id = other.parse().unwrap();
        assert!(
            matches!(ids(&scheduler, named).await, Ok(Spoken::Json(told)) if told["places"][0]["process"] == process().to_string())
        );
    }
}
