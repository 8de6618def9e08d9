//! What remembers the log of a node, and says who may write it.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use gate::{PostgresGate, PostgresGateOptions};
use log::Term;
use node::GateOptions;
use projections::{DatabaseUrl, DatabaseUrlError};
use thiserror::Error;

/// What the connections are called in the server's lists.
const CONNECTION: &str = "quipu-gate";
/// How long the engine may take for each step.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What remembers the log of a node, and says who may write it.
#[derive(Clone, Debug, Args)]
pub struct GateArgs {
    /// The kind of engine that remembers the log and says who may write it: no message is acknowledged or shown before it
    /// has that, and any machine with the wallet can take over with an empty data folder
    #[arg(long, env, value_name = "KIND")]
    gate: Option<GateKind>,

    /// Where that engine is, such as postgres://user:password@host:port/name; the database is for one store alone
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    gate_url: Option<String>,

    /// With accept, an engine is taken that has a single copy of what it keeps: all is lost that its machine loses
    #[arg(long, env, value_name = "WORD")]
    gate_single_copy: Option<SingleCopy>,

    /// The term in which another node took the place of this one, to take it back once: the refusal to start tells it
    #[arg(long, env, value_name = "TERM")]
    gate_take_over: Option<u64>,
}

/// The kinds of engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum GateKind {
    /// A Postgres whose commits wait for another copy.
    Postgres,
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
    /// It is not said where it is.
    #[error("GATE is postgres, and GATE_URL is not set; expected postgres://user:password@host:port/name")]
    NoUrl,
    /// What is set has no gate that it would be for.
    #[error("{0} is set without GATE, so nothing would heed it: set GATE=postgres as well")]
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
        self.gate.is_some()
    }

    /// The gate, if there is one. Nothing is connected yet.
    ///
    /// # Errors
    /// When it is not known where it is, or a setting would not be heeded.
    pub fn options(&self) -> Result<Option<GateOptions>, GateSettingError> {
        let Some(GateKind::Postgres) = self.gate else {
            let settings = [
                ("GATE_URL", self.gate_url.is_some()),
                ("GATE_SINGLE_COPY", self.gate_single_copy.is_some()),
                ("GATE_TAKE_OVER", self.gate_take_over.is_some()),
            ];
            let needless = settings.into_iter().find(|(_, is_set)| *is_set);
            return needless.map_or(Ok(None), |(name, _)| Err(GateSettingError::WithoutGate(name)));
        };
        let url = self.gate_url.as_ref().ok_or(GateSettingError::NoUrl)?;
        let gate = PostgresGate::new(PostgresGateOptions {
            connect: DatabaseUrl::parse("GATE_URL", url)?.connect_as(CONNECTION),
            single_copy_accepted: self.gate_single_copy == Some(SingleCopy::Accept),
            answer_within: ANSWER_WITHIN,
        });
        Ok(Some(GateOptions { gate: Arc::new(gate), take_over: self.gate_take_over.map(Term) }))
    }
}
