//! What a node logs and how; it goes to standard error.

use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::stderr::LogWriter;

/// What clients and services do wrong is told by the node; what the libraries below it say of that could fill a disk.
const DEFAULT_FILTER: &str = "info,poem=warn,h2=error,hyper=error,rustls=off,reqwest=error";

/// What a node logs and how.
#[derive(Clone, Debug, Args)]
pub struct LoggingArgs {
    /// What is logged: error, warn, info, debug or trace, or a `tracing` filter such as info,scheduler=debug
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = DEFAULT_FILTER)]
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
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(self.filter()?)
            .with_writer(|| LogWriter)
            .log_internal_errors(false);
        // An error means that logging is set up already.
        let _ = match self.log_format {
            LogFormat::Text => subscriber.with_target(false).with_ansi(io::stderr().is_terminal()).try_init(),
            LogFormat::Json => subscriber.json().try_init(),
        };
        Ok(())
    }

    /// Whether it can be started so.
    ///
    /// # Errors
    /// When the filter is not one.
    pub fn check(&self) -> Result<(), LogFilterError> {
        self.filter().map(drop)
    }

    fn filter(&self) -> Result<EnvFilter, LogFilterError> {
        EnvFilter::builder().parse(&self.rust_log).map_err(LogFilterError)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::sync::{Arc, Mutex};

    use clap::{Command, FromArgMatches};
    use tracing::{error, info, subscriber, warn};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged, of some lines of ours and of libraries.
    fn logged(words: &[&str]) -> String {
        let matches = LoggingArgs::augment_args(Command::new("su")).get_matches_from(words);
        let args = LoggingArgs::from_arg_matches(&matches).unwrap();
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt().with_env_filter(args.filter().unwrap());
        subscriber::with_default(subscriber.with_writer(move || writer.clone()).finish(), || {
            info!(target: "scheduler::desk", "ours");
            warn!(target: "h2::codec::framed_read", "frames");
            warn!(target: "hyper_util::server", "clients");
            warn!(target: "rustls::conn", "alerts");
            error!(target: "h2::proto", "grave");
        });
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn clients_cannot_make_libraries_fill_the_log() {
        let told = logged(&["su"]);
        assert_eq!(told.lines().count(), 2, "{told}");
        assert!(told.contains("ours") && told.contains("grave"), "{told}");
        assert_eq!(logged(&["su", "--rust-log", "warn"]).lines().count(), 4);
    }
}
