//! The server below an endpoint: connections, how many and how long, and an orderly end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use poem::{Endpoint, IntoEndpoint};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time;
use tracing::{debug, warn};

use crate::connection::{self, Security, TakenIn};
use crate::crowd::{Crowd, WaitingRoom};
use crate::limits::Limits;
use crate::tls::Tls;
use crate::traffic::Traffic;

/// How long to wait before the next accept when there was no room for a connection, mostly for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves HTTP/1.1 and HTTP/2, in clear text or by TLS, until `shutdown` resolves; then takes no more connections, lets what was
/// accepted end within [`Limits::drain`], and breaks off the rest.
///
/// # Errors
/// When the listener cannot say its own address.
pub async fn serve<E>(
    listener: TcpListener,
    tls: Option<Tls>,
    endpoint: E,
    shutdown: impl Future<Output = ()>,
    limits: Limits,
) -> io::Result<()>
where
    E: IntoEndpoint,
    E::Endpoint: 'static,
{
    let endpoint = Arc::new(endpoint.into_endpoint());
    let local = listener.local_addr()?;
    let crowd = Crowd::new(local, &limits);
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut is_short = false;
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &crowd) => accepted,
            () = &mut shutdown => break,
        };
        let (socket, remote, room) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Told once, not ten times a second, until it is over.
                if !is_short {
                    warn!(%local, %error, "no connections can be accepted");
                }
                is_short = true;
                time::sleep(PAUSE).await;
                continue;
            }
        };
        is_short = false;
        while connections.try_join_next().is_some() {}
        let (endpoint, crowd, mut stopped) = (endpoint.clone(), crowd.clone(), stopped.clone());
        let (tls, limits) = (tls.clone(), limits.clone());
        connections.spawn(async move {
            let traffic = Arc::new(Traffic::new(limits.unfetched, limits.network(remote.ip())));
            let place = tokio::select! {
                biased;
                place = crowd.enter(traffic.clone(), room) => place,
                _ = stopped.changed() => None,
            };
            if let Some(place) = place {
                let security = Security::ClearText;
                let taken_in = TakenIn { socket, local, remote, security, traffic, place };
                serve_connection(taken_in, tls, endpoint, stopped, limits).await;
            }
        });
    }
    drop(listener);
    drop(stop);
    let ended = async { while connections.join_next().await.is_some() {} };
    if time::timeout(limits.drain, ended).await.is_err() {
        warn!(%local, connections = connections.len(), "breaking off connections that did not end in time");
    }
    Ok(())
}

/// Serves a connection, by TLS if there is to be any.
async fn serve_connection<E: Endpoint + 'static>(
    taken_in: TakenIn<TcpStream>,
    tls: Option<Tls>,
    endpoint: Arc<E>,
    mut stopped: watch::Receiver<()>,
    limits: Limits,
) {
    let Some(tls) = tls else { return connection::serve(taken_in, endpoint, stopped, limits).await };
    let TakenIn { socket, local, remote, traffic, place, .. } = taken_in;
    let agreed = tokio::select! {
        agreed = tls.accept(socket, remote) => agreed,
        _ = stopped.changed() => None,
    };
    if let Some(socket) = agreed {
        let security = Security::of(&socket);
        let taken_in = TakenIn { socket, local, remote, security, traffic, place };
        connection::serve(taken_in, endpoint, stopped, limits).await;
    }
}

/// The next connection, as soon as one more can wait for a place.
async fn accept(listener: &TcpListener, crowd: &Crowd) -> io::Result<(TcpStream, SocketAddr, WaitingRoom)> {
    let room = crowd.waiting_room().await?;
    let (socket, remote) = listener.accept().await?;
    if let Err(error) = socket.set_nodelay(true) {
        debug!(%remote, %error, "the client was gone before it was served");
    }
    // One of IPv4 that came to a socket of IPv6 is shown as what it is.
    Ok((socket, SocketAddr::new(remote.ip().to_canonical(), remote.port()), room))
}
