//! Where the story of a node goes: standard error, as text or JSON.

use std::io::{self, IsTerminal};

use thiserror::Error;
use tracing_subscriber::EnvFilter;

use super::args::{LogFormat, Tuning};

/// The filter is not one.
#[derive(Debug, Error)]
#[error("RUST_LOG cannot be understood; it takes error, warn, info, debug, trace, or target=level,…")]
pub struct FilterError(#[source] tracing_subscriber::filter::ParseError);

/// Starts logging as the operator wants it. Another subscriber that is there already (a test's) stays.
pub(super) fn start(tuning: &Tuning) -> Result<(), FilterError> {
    let filter = EnvFilter::builder().parse(&tuning.rust_log).map_err(FilterError)?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // An error means that logging is set up already.
    let _ = match tuning.log_format {
        LogFormat::Text => subscriber.with_target(false).with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => subscriber.json().try_init(),
    };
    Ok(())
}
