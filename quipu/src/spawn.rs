//! `quipu spawn`: posts a new process.

use std::io::Write;
use std::str::FromStr;

use ans104::{Address, Id, IdError};
use clap::Args;
use protocol::{tags, values};

use crate::client::{NodeArgs, SchedulerClient, runtime};
use crate::compose::{DataArg, TagArg, signed};
use crate::failure::Failure;
use crate::wallet::SignArgs;

const EXAMPLES: &str = "\
Examples:
  P=$(quipu spawn)                                 a process to try the node with
  quipu spawn --tag Name=shop --data @shop.lua     with a name and data
  quipu spawn --module M --on-boot Data --data -   for a compute unit, booted from standard input

Exit codes: 0 scheduled, 1 failed (one line on standard error says why), 2 wrong usage or setting.";

/// Spawn a process and print its id
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SpawnArgs {
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    sign: SignArgs,
    /// The module that compute units run for the process; the default is no real module, which is enough to try a
    /// scheduler
    #[arg(long, value_name = "ID", default_value_t = Id::from_bytes([0; 32]))]
    module: Id,
    /// The address of the process's scheduler [default: that of the node]
    #[arg(long, value_name = "ADDRESS")]
    scheduler: Option<Address>,
    /// A tag; can be given several times. A tag of the protocol replaces the usual one
    #[arg(long, value_name = "NAME=VALUE")]
    tag: Vec<TagArg>,
    /// The data: text, @FILE for the content of a file, or - for standard input
    #[arg(long, value_name = "TEXT|@FILE|-", default_value = "", allow_hyphen_values = true)]
    data: DataArg,
    /// What compute units boot the process from: its own data, or a transaction
    #[arg(long, value_name = "Data|TX")]
    on_boot: Option<OnBoot>,
    /// Print the whole answer as JSON instead of the id
    #[arg(long)]
    json: bool,
}

/// What a process is booted from.
#[derive(Clone, Debug)]
enum OnBoot {
    Data,
    Transaction(Id),
}

impl FromStr for OnBoot {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == values::BOOT_DATA { Ok(Self::Data) } else { text.parse().map(Self::Transaction) }
    }
}

impl SpawnArgs {
    /// Posts the process; its id, or the whole answer, goes to `out`.
    ///
    /// # Errors
    /// When there is no wallet, or the node is not reached or refuses.
    pub fn run(self, out: &mut dyn Write) -> Result<(), Failure> {
        let wallet = self.sign.load()?;
        let data = self.data.read()?;
        let scheduler = SchedulerClient::new(&self.node.url)?;
        let accepted = runtime()?.block_on(async {
            let address = match &self.scheduler {
                Some(address) => address.to_string(),
                None => scheduler.info().await?.address,
            };
            let module = self.module.to_string();
            let mut own = vec![
                (tags::TYPE, values::PROCESS),
                (tags::MODULE, module.as_str()),
                (tags::SCHEDULER, &address),
            ];
            let boot = self.on_boot.as_ref().map(|boot| match boot {
                OnBoot::Data => values::BOOT_DATA.to_owned(),
                OnBoot::Transaction(id) => id.to_string(),
            });
            own.extend(boot.as_deref().map(|boot| (tags::ON_BOOT, boot)));
            let item = signed(&wallet, None, &own, &self.tag, &data)?;
            Ok::<_, Failure>(scheduler.post(item.into()).await?)
        })?;
        if self.json {
            return Ok(writeln!(out, "{}", serde_json::json!(accepted))?);
        }
        Ok(writeln!(out, "{}", accepted.id)?)
    }
}
