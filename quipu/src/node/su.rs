//! `quipu su`: a scheduler unit for production.

use std::io::Write;

use tokio::runtime::Runtime;

use super::args::SuArgs;
use super::logging;
use super::running::Running;
use super::settings::Settings;
use super::store::failed;
use crate::failure::Failure;

impl SuArgs {
    /// Runs the node until it is told to stop.
    ///
    /// # Errors
    /// When a setting is wrong, or what the node needs (ports, folders, the log) cannot be had.
    pub fn run(self, _out: &mut dyn Write) -> Result<(), Failure> {
        logging::start(&self.tuning).map_err(failed)?;
        let settings = Settings::from_su(self).map_err(failed)?;
        let runtime = Runtime::new().map_err(Failure::Runtime)?;
        runtime.block_on(async { Running::start(settings).await?.until_stopped().await })
    }
}
