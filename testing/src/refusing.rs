//! A port where nobody listens, for services that are down.

use std::net::{SocketAddr, TcpListener, TcpStream};

/// An address on loopback that refuses every connection for as long as this is kept.
///
/// A port that was only freed a moment ago may be another's by the time that it is asked.
#[derive(Debug)]
pub struct RefusingPort {
    /// Its own end of a connection: the port is taken, and nobody listens on it.
    taken: TcpStream,
    _other_end: TcpListener,
}

impl RefusingPort {
    /// Takes one.
    pub fn take() -> Self {
        let other_end = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let taken = TcpStream::connect(other_end.local_addr().expect("bound")).expect("it listens");
        Self { taken, _other_end: other_end }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.taken.local_addr().expect("connected")
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.address().port()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn it_refuses_and_nobody_else_gets_it() {
        let port = RefusingPort::take();
        assert_eq!(TcpStream::connect(port.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(TcpListener::bind(port.address()).unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}
