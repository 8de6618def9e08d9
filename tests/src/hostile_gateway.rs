//! A gateway that knows whatever it is asked for, and that hangs, lies about the height or misleads as it is told.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// A gateway on a port and a thread of its own. It ends when this is dropped.
pub struct HostileGateway {
    url: String,
    told: Arc<Told>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Who has signed all that it tells of.
const SIGNER: &str = "N3to2IOtL2CSIK9XluQ3P6Mx-A2j-nd6qqcvYkoKbsI";

#[derive(Default)]
struct Told {
    height: AtomicU64,
    hangs: AtomicBool,
    data_bytes: AtomicU64,
    leads_to: Mutex<Option<String>>,
    queries: AtomicUsize,
    downloads: AtomicUsize,
}

impl HostileGateway {
    /// Starts one that tells this height.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start(height: u64) -> Self {
        let told = Arc::new(Told { height: height.into(), ..Told::default() });
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it has an address"));
        listener.set_nonblocking(true).expect("the system can do it");
        let (stop, stopped) = oneshot::channel();
        let serving = told.clone();
        // Tests that are themselves asynchronous wait for nodes, which wait for this.
        let thread = thread::spawn(move || serve(listener, serving, stopped));
        Self { url, told, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on it tells this height.
    pub fn set_height(&self, height: u64) {
        self.told.height.store(height, Ordering::SeqCst);
    }

    /// Whether it answers nothing but the height.
    pub fn set_hanging(&self, hangs: bool) {
        self.told.hangs.store(hangs, Ordering::SeqCst);
    }

    /// From now on the data of everything is so many zeros.
    pub fn set_data_bytes(&self, bytes: u64) {
        self.told.data_bytes.store(bytes, Ordering::SeqCst);
    }

    /// From now on whoever asks for data is sent there.
    ///
    /// # Panics
    /// When a thread panicked with it.
    pub fn lead_to(&self, url: &str) {
        *self.told.leads_to.lock().expect("nobody panics with it") = Some(url.to_owned());
    }

    /// How often GraphQL was asked, and how often for data.
    pub fn asked(&self) -> (usize, usize) {
        (self.told.queries.load(Ordering::SeqCst), self.told.downloads.load(Ordering::SeqCst))
    }
}

impl Drop for HostileGateway {
    fn drop(&mut self) {
        drop(self.stop.take());
        // Were it to panic, its test has failed for want of answers.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Answers until it is to stop.
fn serve(listener: std::net::TcpListener, told: Arc<Told>, stopped: oneshot::Receiver<()>) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("the system has descriptors");
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener).expect("it does not block");
        let accept = async {
            while let Ok((stream, _)) = listener.accept().await {
                let told = told.clone();
                // The node may go at any time.
                tokio::spawn(async move { answer(stream, &told).await.ok() });
            }
        };
        tokio::select! {
            () = accept => {}
            _ = stopped => {}
        }
    });
}

async fn answer(mut stream: TcpStream, told: &Told) -> std::io::Result<()> {
    let call = read_call(&mut stream).await?;
    let is_query = call.starts_with("POST ");
    if call.starts_with("GET /info ") {
        let height = told.height.load(Ordering::SeqCst);
        return whole(&mut stream, &format!("{{\"height\":{height}}}")).await;
    }
    let counted = if is_query { &told.queries } else { &told.downloads };
    counted.fetch_add(1, Ordering::SeqCst);
    if told.hangs.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    if is_query {
        return whole(&mut stream, &transaction(asked_for(&call))).await;
    }
    let leads_to = told.leads_to.lock().expect("nobody panics with it").clone();
    if let Some(url) = leads_to {
        let head = format!("HTTP/1.1 302 Found\r\nlocation: {url}\r\ncontent-length: 0\r\n{CLOSE}");
        return stream.write_all(head.as_bytes()).await;
    }
    let bytes = told.data_bytes.load(Ordering::SeqCst);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n{CLOSE}");
    stream.write_all(head.as_bytes()).await?;
    tokio::io::copy(&mut tokio::io::repeat(0).take(bytes), &mut stream).await.map(drop)
}

const CLOSE: &str = "connection: close\r\n\r\n";

async fn whole(stream: &mut TcpStream, body: &str) -> std::io::Result<()> {
    let length = body.len();
    stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{CLOSE}{body}").as_bytes()).await
}

/// The id in a query, which is the only word of its length.
fn asked_for(call: &str) -> &str {
    let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    call.split(|character| !is_part(character)).find(|word| word.len() == 43).unwrap_or_default()
}

fn transaction(id: &str) -> String {
    let node = serde_json::json!({
        "id": id, "signature": "", "anchor": "", "owner": { "key": "", "address": SIGNER },
        "tags": [{ "name": "Type", "value": "Message" }], "recipient": "",
    });
    serde_json::json!({ "data": { "transactions": { "edges": [{ "node": node }] } } }).to_string()
}

/// A call, head and body.
async fn read_call(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) {
                return Ok(text);
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}
