//! An object store that speaks as S3 does, as far as a gate asks it; its answers may be slow or get lost.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::accepting::Accepting;
use crate::wait::PATIENCE;

/// A store on a free port, until it is dropped.
pub struct ObjectServer {
    accepting: Accepting,
    objects: Arc<Objects>,
}

#[derive(Default)]
struct Objects {
    there: Mutex<BTreeMap<String, Vec<u8>>>,
    /// A copy of an earlier time.
    kept: Mutex<BTreeMap<String, Vec<u8>>>,
    /// How many answers get lost.
    losing: AtomicU64,
    /// How long each request takes, in milliseconds.
    delay: AtomicU64,
    /// Replaces what is there, whatever was asked for.
    replaces: AtomicBool,
}

impl ObjectServer {
    /// Starts one that holds nothing.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start() -> Self {
        let objects = Arc::<Objects>::default();
        let serving = objects.clone();
        let accepting = Accepting::start(move |socket| {
            let objects = serving.clone();
            // Whoever hangs up is answered by nobody.
            thread::spawn(move || serve(&socket, &objects));
        });
        Self { accepting, objects }
    }

    /// What a client of S3 is told of it.
    pub fn settings(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://{}", self.accepting.address);
        let told = [
            ("aws_endpoint", endpoint.as_str()),
            ("aws_allow_http", "true"),
            ("aws_region", "us-east-1"),
            ("aws_access_key_id", "knots"),
            ("aws_secret_access_key", "knots-on-cords"),
        ];
        told.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// Does what it is asked for, and so many times says nothing of it.
    pub fn lose_answers(&self, count: u64) {
        self.objects.losing.store(count, Ordering::SeqCst);
    }

    /// Takes so long for each request.
    pub fn delay(&self, by: Duration) {
        self.objects.delay.store(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Keeps a copy of what it has.
    ///
    /// # Panics
    /// When a thread of it did.
    pub fn back_up(&self) {
        let there = self.objects.there.lock().expect("nobody panics with it").clone();
        *self.objects.kept.lock().expect("nobody panics with it") = there;
    }

    /// Has what that copy has, and nothing else.
    ///
    /// # Panics
    /// As [`ObjectServer::back_up`] does.
    pub fn restore(&self) {
        let kept = self.objects.kept.lock().expect("nobody panics with it").clone();
        *self.objects.there.lock().expect("nobody panics with it") = kept;
    }

    /// Replaces what is there, also where it was asked not to.
    pub fn replace(&self) {
        self.objects.replaces.store(true, Ordering::SeqCst);
    }
}

struct Request {
    method: String,
    object: String,
    only_if_new: bool,
    body: Vec<u8>,
}

fn serve(socket: &TcpStream, objects: &Objects) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let request = read(&mut BufReader::new(socket))?;
    thread::sleep(Duration::from_millis(objects.delay.load(Ordering::SeqCst)));
    let is_head = request.method == "HEAD";
    let (status, body) = objects.answer(request);
    let losing = &objects.losing;
    if losing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        return Ok(());
    }
    let head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\netag: \"whole\"\r\nlast-modified: Fri, 27 Nov 2026 12:00:00 GMT\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    let mut socket = socket;
    socket.write_all(head.as_bytes())?;
    if is_head { Ok(()) } else { socket.write_all(&body) }
}

impl Objects {
    fn answer(&self, request: Request) -> (&'static str, Vec<u8>) {
        let mut there = self.there.lock().expect("nobody panics with it");
        let Request { method, object, only_if_new, body } = request;
        match (method.as_str(), there.get(&object)) {
            ("PUT", Some(_)) if only_if_new && !self.replaces.load(Ordering::SeqCst) => {
                ("412 Precondition Failed", b"<Error><Code>PreconditionFailed</Code></Error>".to_vec())
            }
            ("PUT", _) => {
                there.insert(object, body);
                ("200 OK", Vec::new())
            }
            ("GET" | "HEAD", Some(bytes)) => ("200 OK", bytes.clone()),
            ("GET" | "HEAD", None) => ("404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
            _ => ("405 Method Not Allowed", Vec::new()),
        }
    }
}

fn read(from: &mut impl BufRead) -> io::Result<Request> {
    let mut lines = from.by_ref().lines();
    let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, object) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut length, mut only_if_new) = (0, false);
    for line in lines {
        let line = line?.to_lowercase();
        match line.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().map_err(io::Error::other)?,
            Some(("if-none-match", "*")) => only_if_new = true,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(Request { method, object, only_if_new, body })
}
