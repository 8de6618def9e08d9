//! Whom a standby follows.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args};
use gateway::{EndpointError, parse_url, parse_url_list};
use node::{ListenOptions, MemberOptions, NodeAccess, OtherNode, PeerOptions, StandbyOptions};
use thiserror::Error;

use super::tls::{AskingTlsArgs, TlsSettingError};
use super::tokens::{TokenSettingError, read_token};

/// The node that is followed, or is to be.
#[derive(Clone, Debug, Args)]
pub struct LeaderArgs {
    /// The admin listener of the leader, or of another standby, such as http://10.0.0.5:9001
    #[arg(long = "from", env = "REPLICATE_FROM", value_name = "URL")]
    replicate_from: String,

    #[command(flatten)]
    token: TokenArgs,
}

/// Whom a standby follows.
#[derive(Clone, Debug, Args)]
pub struct ReplicationArgs {
    #[command(flatten)]
    leader: LeaderArgs,

    /// Where clients find the leader, for those who would send messages here [default: on the host of --from, at the
    /// port that the leader tells]
    #[arg(long, env, value_name = "URL")]
    leader_url: Option<String>,

    /// Whether messages that are sent here are passed on to the leader, and not refused
    #[arg(long, env, value_name = "BOOL", action = ArgAction::Set, default_value_t = false)]
    forward_writes: bool,

    /// Whether the copy of this node counts: it is added to those that keep the log once it has all of it, confirms what
    /// it has, and can take over with `quipu promote` if it has the wallet of the leader
    #[arg(long = "voter", env = "REPLICATION_VOTER", value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1,
        require_equals = true, default_missing_value = "true", default_value_t = false)]
    voter: bool,

    /// The admin listeners, separated by commas, of nodes that may have taken the place of this one: with --voter, they are
    /// asked before it schedules alone, and from then on
    #[arg(long, env, value_name = "URLS")]
    replicate_peers: Option<String>,
}

/// Who may have taken the place of a node.
#[derive(Clone, Debug, Args)]
pub struct PeerArgs {
    /// The admin listeners, separated by commas, of the standbys of this node: when one of them has taken its place, this
    /// node does not schedule any more
    #[arg(long, env, value_name = "URLS")]
    replicate_peers: Option<String>,

    #[command(flatten)]
    token: TokenArgs,
}

/// How a node keeps its log together with others.
#[derive(Clone, Debug, Args)]
pub struct MemberArgs {
    /// How many other nodes must have a message on their disks before its client is told that it is scheduled; with
    /// 1, a leader and a standby with --voter both have it [default: as many as the log asks for, none where one node
    /// keeps it alone]
    #[arg(long, env, value_name = "NODES", value_parser = clap::value_parser!(u32).range(0..=6))]
    replication_acks: Option<u32>,

    /// Where the other nodes that keep the log, and routers, find the admin listener of this one [default: at the address
    /// that it listens at]
    #[arg(long, env, value_name = "URL")]
    member_url: Option<String>,
}

impl MemberArgs {
    /// What it is told, with the token of the others.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn options(&self, access: NodeAccess) -> Result<MemberOptions, ReplicationSettingError> {
        Ok(MemberOptions { acks: self.replication_acks, url: self.url()?, access })
    }

    /// Refuses what the nodes with which this one keeps its log would not find.
    ///
    /// # Errors
    /// When its admin listener is at all addresses of this machine, and nothing says which one to use.
    pub fn check_found(&self, listen: &ListenOptions) -> Result<(), ReplicationSettingError> {
        let everywhere = listen.admin.first().filter(|address| address.ip().is_unspecified());
        match everywhere {
            Some(address) if self.member_url.is_none() => Err(ReplicationSettingError::NotFound(*address)),
            _ => Ok(()),
        }
    }

    /// Whether it is told how others keep the log with it.
    pub fn is_set(&self) -> bool {
        self.replication_acks.is_some()
    }

    /// Whether other nodes have to confirm messages.
    pub fn is_confirmed(&self) -> bool {
        self.replication_acks.is_some_and(|acks| acks > 0)
    }

    /// Where others find the admin listener, if that is set.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn url(&self) -> Result<Option<String>, ReplicationSettingError> {
        let url = self.member_url.as_ref().map(|url| parse_url("MEMBER_URL", url)).transpose()?;
        Ok(url.map(|url| url.as_str().trim_end_matches('/').to_owned()))
    }
}

/// What other nodes are asked with.
#[derive(Clone, Debug, Args)]
pub(super) struct TokenArgs {
    /// The admin token of the nodes that are followed or asked: their ADMIN_TOKEN or, where that is not set, what is in the
    /// file admin-token of their data folder
    #[arg(long, env, value_name = "TOKEN", hide_env_values = true, allow_hyphen_values = true)]
    replicate_token: Option<String>,

    /// A file with that token, such as ./quipu-dev/data/admin-token beside a node of `quipu dev`
    #[arg(long, env, value_name = "FILE", conflicts_with = "replicate_token")]
    replicate_token_file: Option<PathBuf>,

    #[command(flatten)]
    tls: AskingTlsArgs,
}

impl PeerArgs {
    /// Whether it names any.
    pub fn is_set(&self) -> bool {
        self.replicate_peers.is_some()
    }

    /// Who they are.
    ///
    /// # Errors
    /// When a URL is none, or the file with the token cannot be read.
    pub fn options(&self) -> Result<PeerOptions, ReplicationSettingError> {
        let Some(list) = &self.replicate_peers else {
            // Nobody is asked, but what cannot be sent or used is a mistake all the same.
            self.token.given()?;
            self.token.tls.tls()?;
            return Ok(PeerOptions::default());
        };
        Ok(PeerOptions { urls: parse_url_list("REPLICATE_PEERS", list)?, access: self.token.access()? })
    }

    /// How other nodes are asked.
    ///
    /// # Errors
    /// When the file with it cannot be read.
    pub fn access(&self) -> Result<NodeAccess, ReplicationSettingError> {
        self.token.access()
    }
}

/// A setting of a standby that cannot be used.
#[derive(Debug, Error)]
pub enum ReplicationSettingError {
    /// A URL is none.
    #[error(transparent)]
    Url(#[from] EndpointError),
    /// The token cannot be had.
    #[error(transparent)]
    Token(#[from] TokenSettingError),
    /// TLS cannot be spoken.
    #[error(transparent)]
    Tls(#[from] TlsSettingError),
    /// Other nodes would not find it.
    #[error(
        "ADMIN_LISTEN is {0}, where the other nodes that keep the log do not find this one: MEMBER_URL (--member-url) says \
         where they do, such as http://10.0.0.5:9001"
    )]
    NotFound(SocketAddr),
    /// No token is named.
    #[error(
        "the log of another node is read with its admin token alone: REPLICATE_TOKEN_FILE (--replicate-token-file) names \
         a file with it, such as ./quipu-dev/data/admin-token beside a node of `quipu dev`, or admin-token in the data \
         folder of any node without an ADMIN_TOKEN; REPLICATE_TOKEN (--replicate-token) is the token itself. Where that node \
         has ADMIN_TLS_CLIENT_CA and no ADMIN_TOKEN, REPLICATE_TLS_CERT and REPLICATE_TLS_KEY stand for it"
    )]
    Tokenless,
}

impl LeaderArgs {
    /// Which node it is, and how it is asked.
    ///
    /// # Errors
    /// When its URL is none, or there is no token, or the file with it cannot be read.
    pub fn node(&self) -> Result<OtherNode, ReplicationSettingError> {
        let access = self.token.access()?;
        if access.token.as_ref().is_none_or(String::is_empty) && !access.tls.has_identity() {
            return Err(ReplicationSettingError::Tokenless);
        }
        Ok(OtherNode { url: parse_url("REPLICATE_FROM (--from)", &self.replicate_from)?, access })
    }
}

impl ReplicationArgs {
    /// Whom to follow, and how.
    ///
    /// # Errors
    /// When a URL is none, or there is no token, or the file with it cannot be read.
    pub fn options(&self) -> Result<StandbyOptions, ReplicationSettingError> {
        let from = self.leader.node()?;
        let leader_url = self.leader_url.as_ref().map(|url| parse_url("LEADER_URL", url)).transpose()?;
        Ok(StandbyOptions {
            from,
            forwards: self.forward_writes,
            leader_url: leader_url.map(|url| url.as_str().trim_end_matches('/').to_owned()),
            votes: None,
        })
    }

    /// Whether its copy counts.
    pub fn voter(&self) -> bool {
        self.voter
    }

    /// Whether others are named that may have taken its place.
    pub fn has_peers(&self) -> bool {
        self.replicate_peers.is_some()
    }

    /// Who they are.
    ///
    /// # Errors
    /// When a URL is none, or the file with the token cannot be read.
    pub fn peers(&self) -> Result<PeerOptions, ReplicationSettingError> {
        let list = self.replicate_peers.as_ref().map(|list| parse_url_list("REPLICATE_PEERS", list));
        Ok(PeerOptions { urls: list.transpose()?.unwrap_or_default(), access: self.leader.token.access()? })
    }
}

impl TokenArgs {
    /// The token that was given as such.
    fn given(&self) -> Result<Option<String>, ReplicationSettingError> {
        Ok(read_token("REPLICATE_TOKEN", self.replicate_token.as_deref(), None)?)
    }

    pub(super) fn access(&self) -> Result<NodeAccess, ReplicationSettingError> {
        let (given, file) = (self.replicate_token.as_deref(), self.replicate_token_file.as_deref());
        Ok(NodeAccess { token: read_token("REPLICATE_TOKEN", given, file)?, tls: self.tls.tls()? })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn peers_are_asked_with_the_token_of_a_file() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("token");
        let token = TokenArgs {
            replicate_token: None,
            replicate_token_file: Some(file.clone()),
            tls: AskingTlsArgs::default(),
        };
        let mut args = PeerArgs { replicate_peers: Some("http://10.0.0.6:9001".to_owned()), token };
        let refused = args.options().unwrap_err();
        assert!(
            matches!(refused, ReplicationSettingError::Token(TokenSettingError::File { .. })),
            "{refused}"
        );
        fs::write(&file, "secret\n").unwrap();
        let options = args.options().unwrap();
        assert_eq!((options.urls.len(), options.access.token.as_deref()), (1, Some("secret")));
        args.replicate_peers = None;
        fs::remove_file(&file).unwrap();
        assert!(args.options().unwrap().urls.is_empty());
    }
}
