//! What a node logs and how; it goes to standard error.

use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// What a node logs and how.
#[derive(Clone, Debug, Args)]
pub struct LoggingArgs {
    /// What is logged: error, warn, info, debug or trace, or a `tracing` filter such as info,scheduler=debug
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info,poem=warn")]
    rust_log: String,

    /// The form of what is logged
    #[arg(long, env, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

/// The form of what is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// Lines for a person
    Text,
    /// A JSON object on each line
    Json,
}

/// The filter is not one.
#[derive(Debug, Error)]
#[error("RUST_LOG cannot be understood; it takes error, warn, info, debug, trace, or target=level,…")]
pub struct LogFilterError(#[source] ParseError);

impl LoggingArgs {
    /// Starts logging. Another subscriber that is there already (a test's) stays.
    ///
    /// # Errors
    /// When the filter is not one.
    pub fn start(&self) -> Result<(), LogFilterError> {
        let filter = EnvFilter::builder().parse(&self.rust_log).map_err(LogFilterError)?;
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
        // An error means that logging is set up already.
        let _ = match self.log_format {
            LogFormat::Text => subscriber.with_target(false).with_ansi(io::stderr().is_terminal()).try_init(),
            LogFormat::Json => subscriber.json().try_init(),
        };
        Ok(())
    }
}
