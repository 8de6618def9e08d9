//! A service that answers whoever asks what it was told last.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::accepting::Accepting;
use crate::wait::PATIENCE;

/// A service on a free port. When this is dropped, nobody listens there any more.
pub struct ToldServer {
    accepting: Accepting,
    said: Arc<Said>,
}

#[derive(Default)]
struct Said {
    answer: Mutex<String>,
    asked: AtomicUsize,
}

impl ToldServer {
    /// Starts one that answers 503 until it is told something else.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start() -> Self {
        let said = Arc::<Said>::default();
        let serving = said.clone();
        let accepting = Accepting::start(move |socket| {
            let said = serving.clone();
            // Browsers open connections that they may never use: nobody waits for those. Whoever hangs up is answered by nobody.
            thread::spawn(move || answer(socket, &said));
        });
        let server = Self { accepting, said };
        server.answer(503, &[], "");
        server
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.accepting.address)
    }

    /// What it answers from now on.
    ///
    /// # Panics
    /// When a request panicked.
    pub fn answer(&self, status: u16, headers: &[(&str, &str)], body: &str) {
        let mut text = format!("HTTP/1.1 {status} Told\r\nconnection: close\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("content-length: {}\r\n\r\n{body}", body.len());
        *self.said.answer.lock().expect("nobody panics with it") = text;
    }

    /// It answers nothing from now on, and closes connections.
    ///
    /// # Panics
    /// When a request panicked.
    pub fn answer_nothing(&self) {
        self.said.answer.lock().expect("nobody panics with it").clear();
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.said.asked.load(Ordering::SeqCst)
    }
}

fn answer(socket: TcpStream, said: &Said) -> std::io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(&socket).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    said.asked.fetch_add(1, Ordering::SeqCst);
    let answer = said.answer.lock().expect("nobody panics with it").clone();
    (&socket).write_all(answer.as_bytes())
}
