//! A connection of one's own: one request after the other, at half of the processor time that a client for everything
//! takes. The benchmark posts through it, since what it takes the node beside it has not.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Accepted, CONNECT_TIMEOUT, ClientError, READ_TIMEOUT, SchedulerClient};

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
}

/// Where items are posted to.
#[derive(Clone, Debug)]
pub struct Door {
    scheduler: SchedulerClient,
    /// None where more is spoken than plain HTTP.
    plain: Option<Plain>,
}

/// Where plain HTTP leads to.
#[derive(Clone, Debug)]
struct Plain {
    addresses: Vec<SocketAddr>,
    host: HeaderValue,
    path: Uri,
}

/// A connection to a [`Door`], opened when it is needed.
pub struct Connection<'a> {
    door: &'a Door,
    open: Option<Open>,
}

struct Open {
    sender: SendRequest<Full<Bytes>>,
    connection: http1::Connection<TokioIo<TcpStream>, Full<Bytes>>,
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
        let (authority, path) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
        let host = HeaderValue::from_str(authority).ok().filter(|_| !authority.contains('@'));
        let (Some(host), Ok(path)) = (host, format!("{path}/").parse()) else {
            return Ok(Self { scheduler, plain: None });
        };
        let port = authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let place = if port.is_some() { authority.to_owned() } else { format!("{authority}:80") };
        let found = tokio::net::lookup_host(place).await.map(Vec::from_iter);
        let addresses = found.map_err(|error| scheduler.unreached(error))?;
        Ok(Self { scheduler, plain: Some(Plain { addresses, host, path }) })
    }

    /// A connection to it, open already.
    ///
    /// # Errors
    /// When it is not reached.
    pub async fn connect(&self) -> Result<Connection<'_>, ClientError> {
        let open = match &self.plain {
            Some(plain) => Some(plain.open().await.map_err(|error| self.scheduler.unreached(error))?),
            None => {
                // As many questions at once as there will be connections leave that many open.
                self.scheduler.info().await?;
                None
            }
        };
        Ok(Connection { door: self, open })
    }
}

impl Connection<'_> {
    /// As [`SchedulerClient::post`]. After a failure the next one gets a new connection.
    ///
    /// # Errors
    /// As [`SchedulerClient::post`].
    pub async fn post(&mut self, item: Bytes) -> Result<Accepted, ClientError> {
        let scheduler = &self.door.scheduler;
        let Some(plain) = &self.door.plain else { return scheduler.post(item).await };
        let (status, body) = self.ask(plain, item).await.map_err(|error| scheduler.unreached(error))?;
        if !status.is_success() {
            return Err(ClientError::refused(status.as_u16(), &body));
        }
        scheduler.parsed(&body)
    }

    async fn ask(&mut self, plain: &Plain, item: Bytes) -> Result<(StatusCode, Bytes), Unreached> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => plain.open().await?,
        };
        let asked = timeout(READ_TIMEOUT, open.ask(plain.request(item)));
        let answer = asked.await.map_err(|_| Unreached::Silent(READ_TIMEOUT))??;
        self.open = Some(open).filter(|open| !open.sender.is_closed());
        Ok(answer)
    }
}

impl Plain {
    async fn open(&self) -> Result<Open, Unreached> {
        let socket = timeout(CONNECT_TIMEOUT, TcpStream::connect(self.addresses.as_slice()));
        let socket = socket.await.map_err(|_| Unreached::Silent(CONNECT_TIMEOUT))??;
        socket.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        Ok(Open { sender, connection })
    }

    fn request(&self, item: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(item));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone();
        request.headers_mut().insert(HOST, self.host.clone());
        let content = HeaderValue::from_static("application/octet-stream");
        request.headers_mut().insert(CONTENT_TYPE, content);
        request
    }
}

impl Open {
    /// The answer to a request, and all of its body; the connection is moved along meanwhile.
    async fn ask(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<(StatusCode, Bytes)> {
        let Self { sender, connection } = self;
        let mut answered = pin!(async {
            sender.ready().await?;
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            Ok((status, answer.into_body().collect().await?.to_bytes()))
        });
        tokio::select! {
            biased;
            answer = &mut answered => return answer,
            // All that came before it ended is there.
            ended = connection => ended?,
        }
        answered.await
    }
}
