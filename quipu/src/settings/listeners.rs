//! Where a node listens, and what it serves there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::{ArgAction, Args, ValueEnum};
use limits::ClientOptions;
use node::{ListenOptions, PagesServed};
use thiserror::Error;

use super::numbers::bytes;
use super::tls::{AdminTlsArgs, TlsSettingError};

/// The port of the public listener where none is named.
pub const PORT: u16 = 9000;

/// Where a node listens besides its public port, and what it serves.
#[derive(Clone, Debug, Args)]
pub struct ListenerArgs {
    /// The address of the admin listener [default: 127.0.0.1, and ::1 where there is IPv6, and the next port]
    #[arg(long, env, value_name = "ADDRESS")]
    admin_listen: Option<SocketAddr>,

    /// The bearer token that every call of the admin listener needs; required unless that is on a loopback address
    /// [default: made at the first start, and needed for changes alone]
    #[arg(long, env, value_name = "TOKEN", hide_env_values = true, allow_hyphen_values = true)]
    admin_token: Option<String>,

    #[command(flatten)]
    tls: AdminTlsArgs,

    /// Whether /metrics answers, with Prometheus text
    #[arg(long, env, value_name = "BOOL", action = ArgAction::Set, default_value_t = false)]
    enable_metrics: bool,

    /// The most bytes in one page of messages; a page that reaches it ends early and says that there is more
    #[arg(long, env, value_name = "BYTES", default_value_t = 1 << 30, value_parser = bytes)]
    max_read_memory: u64,

    /// The most bytes that requests and answers of all clients together take up in memory, 67108864 (64 MiB) or more;
    /// beyond that clients are told to come again
    #[arg(long, env, value_name = "BYTES", default_value_t = 256 << 20, value_parser = bytes)]
    max_client_memory: u64,

    /// Which listeners have pages for a browser: the public one to look at schedules, at /ui/, the admin one to look at
    /// the node, there as well
    #[arg(long, env, value_name = "WHICH", default_value = "both")]
    ui: UiListeners,
}

/// Which listeners have pages for a browser.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum UiListeners {
    /// Both
    Both,
    /// The admin listener alone
    Admin,
    /// Neither
    None,
}

impl From<UiListeners> for PagesServed {
    fn from(which: UiListeners) -> Self {
        Self {
            public: matches!(which, UiListeners::Both),
            admin: matches!(which, UiListeners::Both | UiListeners::Admin),
        }
    }
}

/// With less there would be no room for a single body of the longest length.
const CLIENT_MEMORY_MIN: u64 = 64 << 20;

/// A setting of the listeners that cannot be used.
#[derive(Debug, Error)]
pub enum ListenerSettingError {
    /// Everybody could administrate the node.
    #[error(
        "ADMIN_LISTEN is {0}, which is not a loopback address: ADMIN_TOKEN must be set, to something hard to guess, or \
         ADMIN_TLS_CLIENT_CA"
    )]
    AdminUnguarded(SocketAddr),
    /// No client could send it.
    #[error(
        "ADMIN_TOKEN has characters that no HTTP header carries; it takes letters, digits, signs and spaces of ASCII"
    )]
    AdminToken,
    /// TLS cannot be spoken.
    #[error(transparent)]
    Tls(#[from] TlsSettingError),
    /// The public port is the last one that there is.
    #[error("the port {0} has no next one for the admin listener; set ADMIN_LISTEN")]
    LastPort(u16),
    /// No page would have room.
    #[error("MAX_READ_MEMORY is 0; it takes a number of bytes, 1 or more")]
    ReadMemory,
    /// The longest message would have no room.
    #[error("MAX_CLIENT_MEMORY is {0}; it takes a number of bytes, {CLIENT_MEMORY_MIN} (64 MiB) or more")]
    ClientMemory(u64),
}

impl ListenerArgs {
    /// The same, with the admin listener on the port after the public one and in clear text, whatever was named.
    #[must_use]
    pub fn beside(self) -> Self {
        Self { admin_listen: None, tls: AdminTlsArgs::none(), ..self }
    }

    /// The listeners of a node whose public one is on this port; port 0 takes any free ones.
    ///
    /// # Errors
    /// When the admin listener would be open to everybody, or has no port.
    pub fn options(self, public: IpAddr, port: u16) -> Result<ListenOptions, ListenerSettingError> {
        if self.max_read_memory == 0 {
            return Err(ListenerSettingError::ReadMemory);
        }
        if self.max_client_memory < CLIENT_MEMORY_MIN {
            return Err(ListenerSettingError::ClientMemory(self.max_client_memory));
        }
        let admin = match self.admin_listen {
            Some(address) => vec![address],
            None => {
                let port = next(port)?;
                vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
            }
        };
        let admin_token = self.admin_token.filter(|token| !token.is_empty());
        if admin_token.as_ref().is_some_and(|token| !fits_header(token)) {
            return Err(ListenerSettingError::AdminToken);
        }
        let open = admin.iter().find(|address| !address.ip().to_canonical().is_loopback());
        if let Some(open) = open.filter(|_| admin_token.is_none() && !self.tls.asks_for_certificates()) {
            return Err(ListenerSettingError::AdminUnguarded(*open));
        }
        Ok(ListenOptions {
            public: (public, port).into(),
            admin,
            admin_token,
            admin_tls: self.tls.tls()?,
            metrics: self.enable_metrics,
            max_read_memory: in_memory(self.max_read_memory),
            max_client_memory: in_memory(self.max_client_memory),
            clients: ClientOptions::default(),
            pages: self.ui.into(),
            registering: None,
        })
    }
}

/// Whether every client can send a token, whatever it thinks of other characters.
pub(super) fn fits_header(token: &str) -> bool {
    token.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Nothing in memory is longer.
fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn next(port: u16) -> Result<u16, ListenerSettingError> {
    if port == 0 {
        return Ok(0);
    }
    port.checked_add(1).ok_or(ListenerSettingError::LastPort(port))
}
