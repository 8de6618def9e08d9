//! HyperBEAM's form of the calls: recordings of what its clients send, and what they read.
//!
//! The requests are those of the MU for processes of variant `ao.N.1`, of the compute unit that was written for HyperBEAM,
//! of aoconnect 0.0.98 and of hb-explorer, byte by byte where it matters.

mod asked;
mod passing;
mod reading;
mod recorded;
mod shown;
mod writing;

use bytes::Bytes;
use protocol::ProcessId;
use reqwest::{Method, header};
use serde_json::{Value, json};
use testing::{SampleUser, id_of};

use crate::node::{TestListener, TestNode};

/// What a call is answered.
struct Told {
    status: u16,
    headers: header::HeaderMap,
    text: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn refusal(&self, status: u16, code: &str) -> String {
        let told = self.json();
        assert_eq!((self.status, &told["code"]), (status, &json!(code)), "{}", self.text);
        told["error"].as_str().unwrap().to_owned()
    }
}

async fn ask(at: &TestListener, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Told {
    let mut request = reqwest::Client::new().request(method, format!("{}{path}", at.url)).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    assert!(status != 201 && status < 500, "{status}");
    Told { status, headers, text: answer.text().await.unwrap() }
}

async fn get(at: &TestListener, path: &str) -> Told {
    ask(at, Method::GET, path, &[("accept", "*/*")], Bytes::new()).await
}

/// As the MU's clients/scheduler.js writes an item for HyperBEAM.
async fn written_by_an_mu(at: &TestListener, process: ProcessId, item: &Bytes) -> Told {
    let headers = [("content-type", "application/ans104"), ("codec-device", "ans104@1.0"), ("accept", "*/*")];
    ask(at, Method::POST, &format!("/{process}/~scheduler@1.0/schedule"), &headers, item.clone()).await
}

/// As a compute unit reads a page: effects/hb of servers/cu. Its limit counts for nothing.
fn page_path(process: ProcessId, from: u64, to: u64) -> String {
    let range = format!("from={from}&to={to}&limit=2");
    format!("/~scheduler@1.0/schedule?target={process}&{range}&accept=application%2Faos-2")
}

async fn spawn(node: &TestNode, user: &SampleUser) -> ProcessId {
    let item = user.process(&[("Variant", "ao.N.1")], "1984");
    let process = id_of(&item).into();
    let told = written_by_an_mu(&node.public, process, &item).await;
    assert_eq!((told.status, told.header("slot")), (200, Some("0")), "{}", told.text);
    process
}
