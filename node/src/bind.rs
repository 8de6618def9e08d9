//! Taking the addresses of listeners, on a system with IPv6 or without.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::error::NodeError;
use crate::options::ListenOptions;

/// How many connections may wait to be taken in.
const BACKLOG: i32 = 1024;
/// How much of an answer the system takes that it cannot send yet. By itself it takes some megabytes, which are made for
/// nothing when a client reads none of them; of what is sent, any amount may be on its way.
const UNSENT: u32 = 128 << 10;

/// Refuses listeners that could not have their addresses now, before other things are done for a node; none is kept.
/// To be called within a Tokio runtime.
///
/// # Errors
/// As the start of the node would.
pub fn check_ports(options: &ListenOptions) -> Result<(), NodeError> {
    let public = all(options.public)?;
    let admin = each(&options.admin)?;
    drop((public, admin));
    Ok(())
}

/// Listens on an address. The unspecified one of IPv6 stands for all addresses, also those of IPv4; where the system has
/// no IPv6, for those alone.
pub(crate) fn all(address: SocketAddr) -> Result<(TcpListener, SocketAddr), NodeError> {
    let bound = match listen(address) {
        Err(error) if is_absent(&error) && address.ip().is_unspecified() => {
            listen((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        bound => bound,
    };
    bound.map_err(|error| NodeError::Listen { address, error })
}

/// Listens on each address, but for those after the first that the system does not have. Port 0 is that of the first.
pub(crate) fn each(addresses: &[SocketAddr]) -> Result<(Vec<TcpListener>, SocketAddr), NodeError> {
    let mut listeners = Vec::new();
    let mut first = None;
    for address in addresses {
        let mut wanted = *address;
        if let (Some(first), 0) = (first, address.port()) {
            wanted.set_port(SocketAddr::port(&first));
        }
        match listen(wanted) {
            Ok((listener, address)) => {
                listeners.push(listener);
                first.get_or_insert(address);
            }
            // Any free port of the one may be taken at the other.
            Err(error) if first.is_some() && (is_absent(&error) || address.port() == 0) => {}
            Err(error) => return Err(NodeError::Listen { address: wanted, error }),
        }
    }
    let first = first.ok_or_else(|| NodeError::Listen {
        address: (Ipv4Addr::UNSPECIFIED, 0).into(),
        error: ErrorKind::InvalidInput.into(),
    })?;
    Ok((listeners, first))
}

fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // The connections that are taken in have it from their listener.
    socket.set_tcp_notsent_lowat(UNSENT)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Whether the system has no such address, or no addresses of this kind at all.
fn is_absent(error: &io::Error) -> bool {
    let absent = [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL];
    Errno::from_io_error(error).is_some_and(|error| absent.contains(&error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::net::Ipv6Addr;
    use std::time::Duration;

    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn little_is_taken_for_a_client_that_reads_nothing() {
        let (listener, address) = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let _client = TcpStream::connect(address).await.unwrap();
        let (taken_in, _) = listener.accept().await.unwrap();
        let (piece, mut taken) = (vec![0; 64 << 10], 0);
        // There is room again as soon as the other side of this machine has taken what was sent.
        while timeout(Duration::from_secs(1), taken_in.writable()).await.is_ok() {
            taken += taken_in.try_write(&piece).unwrap_or_default();
        }
        assert!(taken > 0 && taken < 1 << 20, "{taken} bytes");
    }

    #[tokio::test]
    async fn all_addresses_are_those_of_both_kinds() {
        let (listener, address) = all((Ipv6Addr::UNSPECIFIED, 0).into()).unwrap();
        TcpStream::connect((Ipv4Addr::LOCALHOST, address.port())).await.unwrap();
        listener.accept().await.unwrap();
        if address.is_ipv6() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, address.port())).await.unwrap();
            listener.accept().await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_the_system_does_not_have_is_left_out_after_the_first() {
        let nowhere = (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 0).into();
        let here = (Ipv4Addr::LOCALHOST, 0).into();
        let (listeners, address) = each(&[here, nowhere]).unwrap();
        assert_eq!((listeners.len(), address.is_ipv4()), (1, true));
        assert!(
            matches!(each(&[nowhere, here]), Err(NodeError::Listen { address, .. }) if address == nowhere)
        );
        assert!(each(&[]).is_err());
        let (listeners, address) = each(&[here, (Ipv6Addr::LOCALHOST, 0).into()]).unwrap();
        if let [_, second] = &listeners[..] {
            assert_eq!(second.local_addr().unwrap().port(), address.port());
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_in_use_on_either_kind() {
        let (_taken, address) = all((Ipv4Addr::UNSPECIFIED, 0).into()).unwrap();
        assert!(matches!(all((Ipv6Addr::UNSPECIFIED, address.port()).into()), Err(NodeError::Listen { .. })));
    }
}
