//! Why a node did not start.

use std::io;
use std::net::SocketAddr;

use ans104::Address;
use gateway::GatewayError;
use log::{AppendError, OpenError, ReadError, RocksError};
use metrics_exporter_prometheus::BuildError;
use projections::{IndexError, ProjectionError};
use router::RouterError;
use thiserror::Error;
use tokio::task::JoinError;

use crate::admin_token::AdminTokenError;
use crate::data_folder::DataFolderError;
use crate::gated::GatedError;
use crate::leadership::LeadershipError;
use crate::standby::StandbyError;

/// Why a node did not start. The parts that had started before have ended again.
#[derive(Debug, Error)]
pub enum NodeError {
    /// A listener cannot have its address.
    #[error("cannot listen on {address}; if another node is there already, name another port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The limit of open files cannot be raised.
    #[error("cannot raise the limit of open files")]
    Descriptors(#[source] io::Error),
    /// The recorder of metrics cannot be installed.
    #[error("cannot record metrics")]
    Metrics(#[from] BuildError),
    /// The data folder cannot be used.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// Another node may be ordering messages.
    #[error(transparent)]
    Leadership(#[from] LeadershipError),
    /// There is no token to ask operators for.
    #[error(transparent)]
    AdminToken(#[from] AdminTokenError),
    /// The store of the log cannot be opened.
    #[error(transparent)]
    Store(#[from] RocksError),
    /// What is in the store is no log that can be used.
    #[error(transparent)]
    Log(#[from] OpenError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Another wallet signed what is in the log.
    #[error(
        "the assignments of this log are signed by the wallet {remembered}, and SU_WALLET_PATH is the wallet {given}; \
         start with the wallet {remembered}, or, if {given} is to sign from now on, say so once with \
         SU_WALLET_CHANGE_TO={given}"
    )]
    OtherWallet {
        /// The wallet that signed so far.
        remembered: Address,
        /// The wallet that is to sign.
        given: Address,
    },
    /// The change that was announced is another one.
    #[error(
        "SU_WALLET_CHANGE_TO names the wallet {named}, and SU_WALLET_PATH is the wallet {given}; expected the address \
         of the wallet that is to sign from now on, or nothing"
    )]
    OtherChange {
        /// The wallet that was named.
        named: Address,
        /// The wallet that is to sign.
        given: Address,
    },
    /// The log does not take the wallet's address.
    #[error("the wallet's address cannot be recorded in the log")]
    Record(#[from] AppendError),
    /// The folder of the index cannot be used.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A projection cannot be opened.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// The HTTP client cannot be set up.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The node does not follow.
    #[error(transparent)]
    Standby(#[from] StandbyError),
    /// The router does not start.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// The node cannot be one of several.
    #[error("this node cannot keep its log together with others")]
    Member(#[from] replicator::MemberError),
    /// The node does not work with its gate, or not without it.
    #[error(transparent)]
    Gated(#[from] GatedError),
    /// Nobody could find it.
    #[error(
        "the admin listener is at {0}, where other nodes do not find it: say with MEMBER_URL where they do"
    )]
    NoMemberUrl(std::net::SocketAddr),
    /// The token of the leader cannot be sent.
    #[error("REPLICATE_TOKEN has characters that no token can have")]
    LeaderToken,
    /// The leader cannot be asked.
    #[error("cannot set up the HTTP client that asks the leader")]
    LeaderClient(#[source] reqwest::Error),
    /// The router cannot be asked.
    #[error("cannot set up the HTTP client that asks the router")]
    RouterClient(#[source] reqwest::Error),
    /// The system gives no thread.
    #[error("cannot start the thread of {part}")]
    Thread {
        /// Whose thread.
        part: &'static str,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// Something that was started for this panicked.
    #[error("a task of the start ended early")]
    Task(#[from] JoinError),
}
