//! A connection of one's own: one request after the other, at half of the processor time that a client for everything
//! takes. The benchmark posts through it, and a comparison asks: what they take the node beside them has not.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gateway::retry_after;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::answer::WholeAnswer;
use super::{Accepted, CONNECT_TIMEOUT, ClientError, RawAnswer, SchedulerClient};

/// Why a node was not reached, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Unreached {
    /// There is no connection, or it has no end.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// It broke, or what came is no HTTP.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// Nothing came in time.
    #[error("it said nothing for {} seconds", .0.as_secs())]
    Silent(Duration),
    /// Its answer has no end in time.
    #[error("its answer had no end after {} seconds", .0.as_secs())]
    Slow(Duration),
    /// Its answer has more bytes.
    #[error("its answer has more than {0} bytes")]
    TooLong(usize),
}

/// Where items are posted to, and questions are asked.
#[derive(Clone, Debug)]
pub struct Door {
    scheduler: SchedulerClient,
    /// None where more is spoken than plain HTTP.
    plain: Option<Arc<Plain>>,
}

/// Where plain HTTP leads to.
#[derive(Debug)]
struct Plain {
    addresses: Vec<SocketAddr>,
    host: HeaderValue,
    /// What comes before each path.
    prefix: String,
    path: Uri,
}

/// A connection to a [`Door`], opened when it is needed.
pub struct Connection {
    door: Door,
    open: Option<Open>,
}

struct Open {
    sender: SendRequest<Full<Bytes>>,
    /// None once it has ended.
    connection: Option<http1::Connection<TokioIo<TcpStream>, Full<Bytes>>>,
}

impl Door {
    /// The door of a scheduler, whose name is looked up for all connections.
    ///
    /// # Errors
    /// When there is no such name.
    pub async fn find(scheduler: &SchedulerClient) -> Result<Self, ClientError> {
        let scheduler = scheduler.clone();
        let Some(authority) = scheduler.base.strip_prefix("http://") else {
            return Ok(Self { scheduler, plain: None });
        };
        let (authority, prefix) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
        let host = HeaderValue::from_str(authority).ok().filter(|_| !authority.contains('@'));
        let (Some(host), Ok(path)) = (host, format!("{prefix}/").parse()) else {
            return Ok(Self { scheduler, plain: None });
        };
        let port = authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let place = if port.is_some() { authority.to_owned() } else { format!("{authority}:80") };
        let found = tokio::net::lookup_host(place).await.map(Vec::from_iter);
        let addresses = found.map_err(|error| scheduler.unreached(error))?;
        let plain = Plain { addresses, host, prefix: prefix.to_owned(), path };
        Ok(Self { scheduler, plain: Some(Arc::new(plain)) })
    }

    /// A connection to it, open already.
    ///
    /// # Errors
    /// When it is not reached.
    pub async fn connect(&self) -> Result<Connection, ClientError> {
        let open = match &self.plain {
            Some(plain) => Some(plain.open().await.map_err(|error| self.scheduler.unreached(error))?),
            None => {
                // As many questions at once as there will be connections leave that many open.
                self.scheduler.info().await?;
                None
            }
        };
        Ok(Connection { door: self.clone(), open })
    }

    /// A connection to it, opened when something is asked.
    pub fn connection(&self) -> Connection {
        Connection { door: self.clone(), open: None }
    }

    /// The same door, through which no longer answer is taken.
    pub fn within(&self, longest: usize) -> Self {
        let scheduler = SchedulerClient { longest, ..self.scheduler.clone() };
        Self { scheduler, plain: self.plain.clone() }
    }

    /// The scheduler.
    pub fn scheduler(&self) -> &SchedulerClient {
        &self.scheduler
    }
}

impl Connection {
    /// As [`SchedulerClient::post`]. After a failure the next one gets a new connection.
    ///
    /// # Errors
    /// As [`SchedulerClient::post`].
    pub async fn post(&mut self, item: Bytes) -> Result<Accepted, ClientError> {
        let Some(plain) = self.door.plain.clone() else { return self.door.scheduler.post(item).await };
        let asked = self.ask(&plain, plain.posting(item)).await;
        let scheduler = &self.door.scheduler;
        let answer = asked.map_err(|error| scheduler.unreached(error))?;
        if !answer.status.is_success() {
            return Err(answer.refused());
        }
        scheduler.parsed(&answer.body)
    }

    /// As [`SchedulerClient::answer`].
    ///
    /// # Errors
    /// As [`SchedulerClient::answer`].
    pub async fn answer(&mut self, path: &str) -> Result<RawAnswer, ClientError> {
        let Some(plain) = self.door.plain.clone() else { return self.door.scheduler.answer(path).await };
        let was_open = self.open.is_some();
        let asked = match self.ask_for(&plain, path).await {
            // It was closed while nothing was asked.
            Err(Unreached::Http(_)) if was_open => self.ask_for(&plain, path).await,
            asked => asked,
        };
        RawAnswer::of(asked.map_err(|error| self.door.scheduler.unreached(error))?)
    }

    async fn ask_for(&mut self, plain: &Plain, path: &str) -> Result<WholeAnswer, Unreached> {
        self.ask(plain, plain.asking(path)?).await
    }

    async fn ask(&mut self, plain: &Plain, request: Request<Full<Bytes>>) -> Result<WholeAnswer, Unreached> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => plain.open().await?,
        };
        let answer = open.ask(request, &self.door.scheduler).await?;
        self.open = Some(open).filter(|open| open.connection.is_some() && !open.sender.is_closed());
        Ok(answer)
    }
}

impl Plain {
    async fn open(&self) -> Result<Open, Unreached> {
        let socket = timeout(CONNECT_TIMEOUT, TcpStream::connect(self.addresses.as_slice()));
        let socket = socket.await.map_err(|_| Unreached::Silent(CONNECT_TIMEOUT))??;
        socket.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        Ok(Open { sender, connection: Some(connection) })
    }

    fn asking(&self, path: &str) -> io::Result<Request<Full<Bytes>>> {
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = format!("{}{path}", self.prefix).parse().map_err(io::Error::other)?;
        request.headers_mut().insert(HOST, self.host.clone());
        Ok(request)
    }

    fn posting(&self, item: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(item));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        request.headers_mut().insert(HOST, self.host.clone());
        let content = HeaderValue::from_static("application/octet-stream");
        request.headers_mut().insert(CONTENT_TYPE, content);
        request
    }
}

/// What comes in time.
async fn heard<T>(silence: Duration, work: impl Future<Output = T>) -> Result<T, Unreached> {
    timeout(silence, work).await.map_err(|_| Unreached::Silent(silence))
}

impl Open {
    /// The answer to a request, and all of its body; the connection is moved along meanwhile.
    async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
        scheduler: &SchedulerClient,
    ) -> Result<WholeAnswer, Unreached> {
        let (silence, longest) = (scheduler.read_timeout, scheduler.longest);
        let Self { sender, connection } = self;
        let mut answered = pin!(async {
            heard(silence, sender.ready()).await??;
            let answer = heard(silence, sender.send_request(request)).await??;
            let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
            let (mut parts, mut body) = (answer.into_body(), BytesMut::new());
            // A long one may take its time while it comes.
            while let Some(part) = heard(silence, parts.frame()).await?.transpose()? {
                let part = part.into_data().unwrap_or_default();
                if body.len().saturating_add(part.len()) > longest {
                    return Err(Unreached::TooLong(longest));
                }
                body.extend_from_slice(&part);
            }
            Ok(WholeAnswer { status, retry_after, body: body.freeze() })
        });
        if let Some(running) = connection {
            let ended = tokio::select! {
                biased;
                answer = &mut answered => return answer,
                ended = running => ended,
            };
            // All that came before it ended is there; what was not sent learns from this that it never will be.
            *connection = None;
            ended?;
        }
        answered.await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use node::NodeTls;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// It may close a connection behind an answer, or while nothing is asked on it.
    #[tokio::test]
    async fn one_that_closes_connections_is_asked_on_others() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            for says_so in [true, false, true, false] {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut asked = [0; 1024];
                assert!(socket.read(&mut asked).await.unwrap() > 0);
                let more = if says_so { "connection: close\r\n" } else { "" };
                let answer = format!("HTTP/1.1 200 OK\r\n{more}content-length: 4\r\n\r\ntrue");
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let client = SchedulerClient::new(&url).unwrap();
        let mut connection = Door::find(&client).await.unwrap().connection();
        for _ in 0..4 {
            let answer = connection.answer("/x?y=z").await.unwrap();
            assert_eq!((answer.status, answer.body.unwrap()), (200, "true".into()));
            // So that it has closed what it closes.
            tokio::task::yield_now().await;
        }
        server.await.unwrap();
    }

    /// It is told however it was asked.
    #[tokio::test]
    async fn how_long_one_asks_to_be_left_alone_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            for _ in 0..2 {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut asked = [0; 1024];
                assert!(socket.read(&mut asked).await.unwrap() > 0);
                let answer =
                    "HTTP/1.1 429 X\r\nconnection: close\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n";
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let client = SchedulerClient::new(&url).unwrap();
        let mut connection = Door::find(&client).await.unwrap().connection();
        for told in [client.answer("/").await.unwrap_err(), connection.answer("/").await.unwrap_err()] {
            assert!(told.is_busy() && told.retry_after() == Some(Duration::from_secs(7)), "{told:?}");
        }
        server.await.unwrap();
    }

    #[tokio::test]
    async fn one_that_says_nothing_is_not_waited_for() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let limit = Duration::from_secs(1);
        let client = SchedulerClient::patient(&url, &NodeTls::default(), limit).unwrap();
        let mut connection = Door::find(&client).await.unwrap().connection();
        let told = [client.answer("/").await.unwrap_err(), connection.answer("/").await.unwrap_err()];
        for told in told {
            assert!(matches!(told, ClientError::Unreachable { is_timeout: true, .. }), "{told:?}");
            assert_eq!(told.to_string(), format!("cannot reach {url}: it said nothing for 1 seconds"));
        }
    }
}
