//! A scheduler in memory, as much of one as clients need, that can be told to be wrong.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;

use ans104::{Address, Item};
use poem::http::StatusCode;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::web::{Data, Path, Query};
use poem::{Endpoint, EndpointExt, Request, Response, Route, Server, get, handler, post};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::Scribe;
use crate::client::ClientEdge;

/// What the scheduler does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misdeed {
    /// Nothing.
    None,
    /// The tenth message of a process is acknowledged and thrown away.
    Lose,
    /// The tenth message of a process is scheduled with another hash chain.
    BreakChain,
    /// The tenth message of a process is refused.
    Refuse,
}

struct State {
    misdeed: Misdeed,
    processes: HashMap<String, (Scribe, Vec<ClientEdge>, u64)>,
}

type Shared = Arc<Mutex<State>>;

/// The scheduler; it ends when this is dropped.
pub struct FakeNode {
    /// Where it listens.
    pub url: String,
    _end: oneshot::Sender<()>,
}

impl FakeNode {
    /// Asked for by `POST /change`, which does nothing.
    pub const TOKEN: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    /// Starts a scheduler on a free port.
    pub fn start(misdeed: Misdeed) -> Self {
        let state = Arc::new(Mutex::new(State { misdeed, processes: HashMap::new() }));
        let (told, address) = std::sync::mpsc::channel();
        let (end, ended) = oneshot::channel::<()>();
        thread::spawn(move || {
            Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
                let local = acceptor.local_addr().remove(0);
                told.send(local.as_socket_addr().unwrap().port()).unwrap();
                let server = Server::new_with_acceptor(acceptor).run(routes(state));
                tokio::select! {
                    result = server => result.unwrap(),
                    _ = ended => {}
                }
            });
        });
        Self { url: format!("http://127.0.0.1:{}", address.recv().unwrap()), _end: end }
    }
}

fn routes(state: Shared) -> impl Endpoint {
    Route::new()
        .at("/", get(info).post(schedule))
        .at("/status", get(state_of_affairs))
        .at("/checks", get(checks))
        .at("/change", post(change))
        .at("/:id", get(read))
        .data(state)
}

#[handler]
fn change(request: &Request) -> Response {
    match request.header("authorization") {
        Some(given) if given == format!("Bearer {}", FakeNode::TOKEN) => answer(StatusCode::OK, &json!({})),
        _ => answer(StatusCode::UNAUTHORIZED, &json!({ "error": "another token is needed" })),
    }
}

#[handler]
fn checks() -> Response {
    answer(
        StatusCode::OK,
        &json!({ "status": "ok", "checks": [{ "name": "log", "status": "ok", "reason": "fine" }] }),
    )
}

fn answer(status: StatusCode, body: &Value) -> Response {
    Response::builder().status(status).content_type("application/json").body(body.to_string())
}

fn refusal(status: StatusCode, code: &str) -> Response {
    answer(status, &json!({"error": format!("refused: {code}"), "code": code}))
}

#[handler]
fn info() -> Response {
    answer(StatusCode::OK, &json!({"timestamp": "1", "address": Address::from_bytes([3; 32])}))
}

#[handler]
fn state_of_affairs(state: Data<&Shared>) -> Response {
    let failed = (state.lock().unwrap().misdeed == Misdeed::Refuse).then_some("disk full");
    answer(StatusCode::OK, &json!({"version": "1", "writes_refused": failed}))
}

#[handler]
fn schedule(state: Data<&Shared>, body: Vec<u8>) -> Response {
    let item = Item::parse(&body).unwrap();
    item.verify().unwrap();
    let id = item.id().to_string();
    let mut state = state.lock().unwrap();
    let misdeed = state.misdeed;
    let process = match item.tag("Type") {
        Some("Process") => {
            let scribe = Scribe::new(&body);
            state.processes.insert(id.clone(), (scribe, Vec::new(), 0));
            id.clone()
        }
        _ => super::item_json(&body).target.unwrap(),
    };
    let Some((scribe, edges, count)) = state.processes.get_mut(&process) else {
        return refusal(StatusCode::NOT_FOUND, "unknown_process");
    };
    *count += 1;
    let accepted = json!({"id": id, "timestamp": scribe.time});
    match misdeed {
        Misdeed::Refuse if *count == 11 => return refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Misdeed::Lose if *count == 11 => return answer(StatusCode::OK, &accepted),
        Misdeed::BreakChain if *count == 11 => scribe.forget(),
        _ => {}
    }
    edges.push(scribe.assign(&body));
    answer(StatusCode::OK, &accepted)
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Asked {
    process_id: String,
    from_nonce: Option<i64>,
    to_nonce: Option<i64>,
    limit: Option<usize>,
}

#[handler]
fn read(state: Data<&Shared>, Path(id): Path<String>, Query(asked): Query<Asked>) -> Response {
    let state = state.lock().unwrap();
    let Some((_, edges, _)) = state.processes.get(&asked.process_id) else {
        return refusal(StatusCode::NOT_FOUND, "unknown_process");
    };
    if id != asked.process_id {
        let found = edges.iter().find(|edge| edge.node.message.as_ref().unwrap().id == id);
        return match found {
            Some(edge) => answer(StatusCode::OK, &json!(edge.node)),
            None => refusal(StatusCode::NOT_FOUND, "not_found"),
        };
    }
    let from = asked.from_nonce.unwrap_or(-1);
    let to = asked.to_nonce.unwrap_or(i64::MAX);
    let in_range = |edge: &&ClientEdge| (from + 1..=to).contains(&edge.cursor.parse().unwrap());
    let found: Vec<_> = edges.iter().filter(in_range).collect();
    let limit = asked.limit.unwrap_or(100);
    let page: Vec<_> = found.iter().take(limit).collect();
    answer(StatusCode::OK, &json!({"page_info": {"has_next_page": found.len() > limit}, "edges": page}))
}
