//! A scheduler that is none: what the existing one answered when it was recorded, it answers again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use crate::recorded::RecordedAnswers;
use crate::wait::PATIENCE;

/// It serves on a free port until this is dropped. What was recorded comes as it was, faults too; a page that was asked for
/// otherwise then is a part of the longest that was recorded, in its order.
pub struct RecordedScheduler {
    address: SocketAddr,
    served: Arc<Served>,
    serving: Option<JoinHandle<()>>,
}

struct Served {
    answers: BTreeMap<String, (u16, Value)>,
    stops: AtomicBool,
    asked: AtomicUsize,
    /// From which answer on each is cut off in its middle.
    cut_from: AtomicUsize,
    /// Paths that are refused, and with what.
    refused: Mutex<BTreeMap<String, (u16, Value)>>,
    /// What it was asked for by an id that nobody asked for when it was recorded.
    unrecorded: Mutex<BTreeSet<String>>,
}

impl RecordedScheduler {
    /// Starts one with the answers in this file of the tests' data.
    ///
    /// # Panics
    /// When they cannot be read, or there is no port.
    pub fn start(file: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let served = Arc::new(Served {
            answers: RecordedAnswers::read(file).into_map(),
            stops: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            cut_from: AtomicUsize::new(usize::MAX),
            refused: Mutex::default(),
            unrecorded: Mutex::default(),
        });
        let serving = served.clone();
        let serving = thread::spawn(move || {
            for socket in listener.incoming() {
                if serving.stops.load(Ordering::SeqCst) {
                    return;
                }
                // Whoever hangs up is answered by nobody.
                let _ = socket.and_then(|socket| serving.answer(&socket));
            }
        });
        Self { address, served, serving: Some(serving) }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Behind so many answers more it cuts off each; none does it leave whole any more.
    pub fn cut_after(&self, answers: usize) {
        let from = self.served.asked.load(Ordering::SeqCst) + answers;
        self.served.cut_from.store(from, Ordering::SeqCst);
    }

    /// From now on it answers a path so, whatever was recorded.
    ///
    /// # Panics
    /// When a request panicked.
    pub fn refuse(&self, path: &str, status: u16, body: &Value) {
        let mut refused = self.served.refused.lock().expect("no request panicked");
        refused.insert(path.to_owned(), (status, body.clone()));
    }

    /// What it was asked for by ids that nobody asked for when it was recorded: it answers 404, and what the existing
    /// scheduler would have answered is not known.
    ///
    /// # Panics
    /// When a request panicked.
    pub fn unrecorded(&self) -> BTreeSet<String> {
        self.served.unrecorded.lock().expect("no request panicked").clone()
    }

    /// It answers as before.
    ///
    /// # Panics
    /// When a request panicked.
    pub fn mend(&self) {
        self.served.cut_from.store(usize::MAX, Ordering::SeqCst);
        self.served.refused.lock().expect("no request panicked").clear();
    }
}

impl Drop for RecordedScheduler {
    fn drop(&mut self) {
        self.served.stops.store(true, Ordering::SeqCst);
        // It looks when somebody comes.
        drop(TcpStream::connect(self.address));
        let _ = self.serving.take().map(JoinHandle::join);
    }
}

impl Served {
    fn answer(&self, mut socket: &TcpStream) -> std::io::Result<()> {
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut lines = BufReader::new(socket).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let (status, body) = self.found(first.split(' ').nth(1).unwrap_or_default());
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!(
            "HTTP/1.1 {status} Recorded\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let whole = number < self.cut_from.load(Ordering::SeqCst);
        let sent = if whole { body.len() } else { body.len() / 2 };
        socket.write_all(head.as_bytes())?;
        socket.write_all(&body.as_bytes()[..sent])
    }

    fn found(&self, target: &str) -> (u16, Value) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let of = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        if let Some(refused) = self.refused.lock().expect("no request panicked").get(path) {
            return refused.clone();
        }
        let recorded = |path: &str| self.answers.get(path).cloned();
        if let Some(found) = recorded(target).or_else(|| recorded(path)) {
            return found;
        }
        let (Some(process), Some(limit)) = (of("process-id"), of("limit")) else {
            self.unrecorded.lock().expect("no request panicked").insert(target.to_owned());
            return (404, Value::Null);
        };
        let whole = format!("{path}?process-id={process}&limit=1000");
        let by_nonce = of("from-nonce").is_some();
        let whole = if by_nonce { recorded(&format!("{whole}&from-nonce=-1")) } else { recorded(&whole) };
        let Some((200, mut page)) = whole else { return (404, Value::Null) };
        let (name, from, to) = if by_nonce {
            ("Nonce", of("from-nonce"), of("to-nonce"))
        } else {
            ("Timestamp", of("from"), of("to"))
        };
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
        let (from, to) = (number(from).unwrap_or(-1), number(to).unwrap_or(i64::MAX));
        let is_wanted = |edge: &Value| match said(edge, name) {
            Some(place) => place > from && place <= to,
            None => from < 0,
        };
        let edges = page["edges"].as_array().cloned().unwrap_or_default();
        let mut wanted: Vec<Value> = edges.into_iter().filter(is_wanted).collect();
        let limit = limit.parse().unwrap_or(usize::MAX);
        page["page_info"]["has_next_page"] = json!(wanted.len() > limit);
        wanted.truncate(limit);
        page["edges"] = wanted.into();
        (200, page)
    }
}

/// What the assignment of an entry says.
fn said(edge: &Value, name: &str) -> Option<i64> {
    let tags = edge["node"]["assignment"]["tags"].as_array()?;
    let tag = tags.iter().find(|tag| tag["name"] == name)?;
    tag["value"].as_str()?.parse().ok()
}
