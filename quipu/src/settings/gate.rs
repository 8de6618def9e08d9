//! What remembers the log of a node, and says who may write it.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use gate::{
    Gate, JetStreamAddressError, JetStreamGate, JetStreamGateOptions, ObjectGate, ObjectGateError,
    ObjectGateOptions, PostgresGate, PostgresGateOptions,
};
use log::Term;
use node::GateOptions;
use projections::{DatabaseUrl, DatabaseUrlError};
use thiserror::Error;

/// What the connections are called in the server's lists.
const CONNECTION: &str = "quipu-gate";
/// How long the engine may take for each step.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How the variables begin by which the tools of object stores are told who asks, and where.
const OF_STORES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];
/// The same of those of NATS.
const OF_NATS: [&str; 1] = ["NATS_"];

/// What remembers the log of a node, and says who may write it, and how this node stands to it.
#[derive(Clone, Debug, Args)]
pub struct GateArgs {
    #[command(flatten)]
    engine: GateEngineArgs,

    /// The term in which another node took the place of this one, to take it back once: the refusal to start tells it
    #[arg(long, env, value_name = "TERM")]
    gate_take_over: Option<u64>,
}

/// What remembers the log of a node, and says who may write it.
#[derive(Clone, Debug, Args)]
pub struct GateEngineArgs {
    /// The engine that remembers the log and says who may write it: postgres, the address of a stream of NATS, such as
    /// nats://host:4222/stream, or that of an object store or a folder, such as s3://bucket/folder. No message is acknowledged
    /// or shown before it has that, and any machine with the wallet can take over with an empty data folder
    #[arg(long, env, value_name = "ENGINE", hide_env_values = true)]
    gate: Option<String>,

    /// With GATE=postgres, where that is, such as postgres://user:password@host:port/name; the database is for one store
    /// alone
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    gate_url: Option<String>,

    /// With accept, an engine is taken that has a single copy of what it keeps: all is lost that its machine loses
    #[arg(long, env, value_name = "WORD")]
    gate_single_copy: Option<SingleCopy>,
}

/// An engine that remembers a log.
#[derive(Clone, Debug, PartialEq, Eq)]
enum GateEngine {
    /// A Postgres whose commits wait for another copy.
    Postgres,
    /// A stream of NATS at this address, which was parsed.
    Stream(String),
    /// An object store or a folder at this address, which was parsed.
    Objects(String),
}

impl FromStr for GateEngine {
    type Err = GateSettingError;

    /// Not while arguments are parsed: what is wrong would be shown there, with a password that may be in it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "postgres" {
            return Ok(Self::Postgres);
        }
        if JetStreamGateOptions::is_meant(text) {
            JetStreamGateOptions::check(text)?;
            return Ok(Self::Stream(text.to_owned()));
        }
        ObjectGate::check(text).map_err(GateSettingError::Unknown)?;
        Ok(Self::Objects(text.to_owned()))
    }
}

/// The word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SingleCopy {
    /// All is lost that the engine's machine loses.
    Accept,
}

/// A setting of a gate that cannot be used. The URL is not shown: it may hold a password.
#[derive(Debug, Error)]
pub enum GateSettingError {
    /// It is no URL of Postgres, or asks for what is not supported.
    #[error(transparent)]
    Url(#[from] DatabaseUrlError),
    /// It is no engine.
    #[error("GATE: neither postgres nor the address of a stream (nats://) or a store: {0}")]
    Unknown(#[source] ObjectGateError),
    /// The object store cannot be used.
    #[error("GATE: {0}")]
    Objects(#[from] ObjectGateError),
    /// The stream cannot be used.
    #[error("GATE: {0}")]
    Stream(#[from] JetStreamAddressError),
    /// There is none.
    #[error(
        "GATE is not set; expected that of the node: postgres, or the address of a stream or a store such as \
         s3://bucket/folder"
    )]
    None,
    /// It is not said where it is.
    #[error("GATE is postgres, and GATE_URL is not set; expected postgres://user:password@host:port/name")]
    NoUrl,
    /// It is said twice where it is.
    #[error("GATE_URL is set, and GATE is itself an address: leave out GATE_URL, or set GATE=postgres")]
    TwoAddresses,
    /// What is set has no gate that it would be for.
    #[error(
        "GATE is not set, so that nothing would heed {0}: set GATE=postgres, or GATE to the address of a stream or a store"
    )]
    WithoutGate(&'static str),
    /// Two things would say who leads.
    #[error(
        "GATE and {0} are both set, and each says who leads: leave out {0} where an engine remembers the log, or GATE where \
         other nodes keep it"
    )]
    Both(&'static str),
}

impl GateArgs {
    /// Whether there is one.
    pub fn is_set(&self) -> bool {
        self.engine.gate.is_some()
    }

    /// The gate, if there is one. Nothing is connected yet.
    ///
    /// # Errors
    /// When it is not known where it is, or a setting would not be heeded.
    pub fn options(&self) -> Result<Option<GateOptions>, GateSettingError> {
        let gate = self.engine.gate(self.engine.gate_single_copy == Some(SingleCopy::Accept))?;
        if gate.is_none() && self.gate_take_over.is_some() {
            return Err(GateSettingError::WithoutGate("GATE_TAKE_OVER"));
        }
        Ok(gate.map(|gate| GateOptions { gate, take_over: self.gate_take_over.map(Term) }))
    }
}

impl GateEngineArgs {
    /// The gate, which there has to be, to be read alone: how many copies it keeps is what one looks for. Nothing is connected yet.
    ///
    /// # Errors
    /// When there is none, it is not known where it is, or a setting would not be heeded.
    pub fn to_read(&self) -> Result<Arc<dyn Gate>, GateSettingError> {
        self.gate(true)?.ok_or(GateSettingError::None)
    }

    fn gate(&self, single_copy_accepted: bool) -> Result<Option<Arc<dyn Gate>>, GateSettingError> {
        match self.gate.as_deref().map(GateEngine::from_str).transpose()? {
            Some(GateEngine::Postgres) => {
                let url = self.gate_url.as_ref().ok_or(GateSettingError::NoUrl)?;
                let connect = DatabaseUrl::parse("GATE_URL", url)?.connect_as(CONNECTION);
                let options =
                    PostgresGateOptions { connect, single_copy_accepted, answer_within: ANSWER_WITHIN };
                Ok(Some(Arc::new(PostgresGate::new(options))))
            }
            Some(GateEngine::Objects(_) | GateEngine::Stream(_)) if self.gate_url.is_some() => {
                Err(GateSettingError::TwoAddresses)
            }
            Some(GateEngine::Stream(url)) => {
                let settings = told(&OF_NATS);
                let options = JetStreamGateOptions {
                    url,
                    settings,
                    single_copy_accepted,
                    answer_within: ANSWER_WITHIN,
                };
                Ok(Some(Arc::new(JetStreamGate::open(&options)?)))
            }
            Some(GateEngine::Objects(url)) => {
                let settings = told(&OF_STORES);
                let options =
                    ObjectGateOptions { url, settings, single_copy_accepted, answer_within: ANSWER_WITHIN };
                Ok(Some(Arc::new(ObjectGate::open(&options)?)))
            }
            None => self.without_gate().map(|()| None),
        }
    }

    /// Refuses what would be for a gate.
    fn without_gate(&self) -> Result<(), GateSettingError> {
        let settings =
            [("GATE_URL", self.gate_url.is_some()), ("GATE_SINGLE_COPY", self.gate_single_copy.is_some())];
        let needless = settings.into_iter().find(|(_, is_set)| *is_set);
        needless.map_or(Ok(()), |(name, _)| Err(GateSettingError::WithoutGate(name)))
    }
}

/// What this program was told as other tools are whose variables begin so.
fn told(begins: &[&str]) -> Vec<(String, String)> {
    let told = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    told.filter(|(name, _)| begins.iter().any(|begins| name.starts_with(begins))).collect()
}
