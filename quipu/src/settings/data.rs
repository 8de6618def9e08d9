//! Where a node keeps its data.

use std::path::{Path, PathBuf};

use clap::Args;
use log::StoreMemory;
use node::DataPaths;

use super::numbers::bytes;

/// The data folder where none is named.
pub const DATA_DIR: &str = "./data";
/// The folder of a development node where none is named; its data folder is `data` in it.
pub const DEV_DIR: &str = "./quipu-dev";

/// Where a node keeps its data.
#[derive(Clone, Debug, Args)]
pub struct DataArgs {
    /// The folder in which the node keeps its data: one that is missing, empty, or a node's already
    #[arg(long, env, value_name = "DIR", default_value = DATA_DIR)]
    su_data_dir: PathBuf,

    /// The folder of the log [default: `log` in the data folder]
    #[arg(long, env, value_name = "DIR")]
    su_file_db_dir: Option<PathBuf>,

    /// The folder of the index [default: `index` in the data folder]
    #[arg(long, env, value_name = "DIR")]
    su_index_db_dir: Option<PathBuf>,

    /// The most bytes that log, index and uploads together keep in memory of what is in their folders
    #[arg(long, env, value_name = "BYTES", default_value_t = StoreMemory::USUAL_BYTES as u64,
        value_parser = store_memory)]
    max_store_memory: u64,
}

fn store_memory(text: &str) -> Result<u64, String> {
    const MIN: u64 = StoreMemory::BYTES_MIN as u64;
    let is_enough = |bytes: &u64| *bytes >= MIN;
    let too_small = || format!("expected a number of bytes, {MIN} ({} MiB) or more", MIN >> 20);
    bytes(text).and_then(|bytes| Some(bytes).filter(is_enough).ok_or_else(too_small))
}

impl DataArgs {
    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.su_data_dir
    }

    /// What is kept in memory of what is in the folders.
    pub fn memory(&self) -> StoreMemory {
        StoreMemory::new(usize::try_from(self.max_store_memory).unwrap_or(usize::MAX))
    }

    /// Whether there is a log in its folder.
    pub fn has_log(&self) -> bool {
        is_log_there(self.su_file_db_dir.as_deref(), Some(&self.su_data_dir))
    }

    /// All folders.
    pub fn paths(self) -> DataPaths {
        let usual = DataPaths::in_folder(self.su_data_dir);
        DataPaths {
            log: self.su_file_db_dir.unwrap_or(usual.log),
            index: self.su_index_db_dir.unwrap_or(usual.index),
            folder: usual.folder,
        }
    }
}

/// Whether there is a log where these settings have it, as `SU_FILE_DB_DIR` and `SU_DATA_DIR` say.
pub fn is_log_there(files: Option<&Path>, folder: Option<&Path>) -> bool {
    let usual = DataPaths::in_folder(folder.unwrap_or(Path::new(DATA_DIR)).to_owned()).log;
    files.unwrap_or(&usual).join("CURRENT").is_file()
}
