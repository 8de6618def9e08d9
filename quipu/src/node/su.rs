//! `quipu su`: a scheduler unit for production.

use std::io::Write;

use tokio::runtime::Runtime;

use super::args::SuArgs;
use super::logging;
use super::settings::Settings;
use super::signals::Signals;
use crate::failure::Failure;

impl SuArgs {
    /// Runs the node until it is told to stop.
    ///
    /// # Errors
    /// When a setting is wrong, or what the node needs (ports, folders, the log) cannot be had.
    pub fn run(self, _out: &mut dyn Write) -> Result<(), Failure> {
        logging::start(&self.tuning)?;
        let settings = Settings::from_su(self)?;
        let runtime = Runtime::new().map_err(Failure::Runtime)?;
        runtime.block_on(async {
            // From here on a signal ends the node in order, however early it comes.
            let mut signals = Signals::listen().map_err(Failure::Signals)?;
            let start = async |progress: &_| node::leader(settings.node, settings.writing, progress).await;
            match signals.start(start).await? {
                Some(node) => signals.serve(node).await,
                None => Ok(()),
            }
        })
    }
}
