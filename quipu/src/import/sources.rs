//! The stores of the existing scheduler that are taken over, by the variables that it has for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use gateway::{Endpoints, Http, HttpOptions, parse_file_url, parse_url};
use importer::{
    ByteStore, LocalStoreSource, PartsElsewhere, PostgresSource, Source, TenantList, TenantsSource,
    UrlSource, WaitingGateway,
};
use projections::DatabaseUrl;
use protocol::ProcessId;

use super::ImportCommandError;
use crate::client::runtime;
use crate::stderr::say;

/// A list of tenants has no more bytes.
const LIST_BYTES_MAX: usize = 64 << 20;
/// A page of long messages takes its time.
const PAGE_TIMEOUT: Duration = Duration::from_secs(300);
/// Before it begins, and in the middle of it.
const PAGE_SILENCE: Duration = Duration::from_secs(60);

/// What the existing scheduler stores in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum SourceKind {
    /// A database
    Postgres,
    /// Its local store
    LocalStore,
    /// Several databases, and a list of which process is in which
    Tenants,
    /// A scheduler that runs, asked over HTTP
    Url,
}

/// Where it is.
#[derive(Debug, Args)]
pub(super) struct SourceArgs {
    /// What it is stored in
    #[arg(long, value_name = "KIND")]
    from: SourceKind,

    /// The database, for --from postgres: the one that is written to, for a replica may lag behind
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    database_url: Option<String>,

    /// The byte store beside the database, if there is one: content hashes are read from it
    #[arg(long, env, value_name = "DIR")]
    su_data_dir: Option<PathBuf>,

    /// Whether there is one for certain: `true` as the scheduler has it; then nothing is imported without it
    #[arg(long, env, value_name = "BOOL")]
    use_disk: Option<String>,

    /// The folder with the stored bytes, for --from local-store
    #[arg(long, env, value_name = "DIR")]
    su_file_db_dir: Option<PathBuf>,

    /// The folder with the index, for --from local-store
    #[arg(long, env, value_name = "DIR")]
    su_index_db_dir: Option<PathBuf>,

    /// The list of tenants, for --from tenants
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    process_whitelist_url: Option<String>,

    /// The URL by which that list names the scheduler
    #[arg(long, env = "URL", value_name = "URL")]
    own_url: Option<String>,

    /// The databases of the tenants, without a name at the end
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    multi_tenant_base_conn: Option<String>,

    /// The folder with the byte stores of the tenants
    #[arg(long, env, value_name = "DIR")]
    multi_tenant_base_data_dir: Option<PathBuf>,

    /// The scheduler, for --from url
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// Ask no gateway for what JSON does not show
    #[arg(long)]
    offline: bool,

    /// The gateway that is asked for what JSON does not show
    #[arg(long, env, value_name = "URL", default_value = "https://arweave.net")]
    gateway_url: String,

    /// The gateway for data [default: GATEWAY_URL]
    #[arg(long, env, value_name = "URL")]
    arweave_url: Option<String>,

    /// The gateway for GraphQL [default: GATEWAY_URL]
    #[arg(long, env, value_name = "URL")]
    graphql_url: Option<String>,
}

impl SourceArgs {
    /// Refuses what a scheduler that runs cannot be asked for.
    pub(super) fn check(&self, has_range: bool, has_processes: bool) -> Result<(), ImportCommandError> {
        match self.from {
            SourceKind::Url if has_range => Err(ImportCommandError::Missing(NO_ROWS)),
            SourceKind::Url if !has_processes => Err(ImportCommandError::Missing(NO_PROCESSES)),
            _ => Ok(()),
        }
    }

    /// Opens it, to be imported to this folder.
    pub(super) fn open(&self, to: Option<&Path>) -> Result<Box<dyn Source>, ImportCommandError> {
        use ImportCommandError::Missing;
        Ok(match self.from {
            SourceKind::Postgres => {
                let url = self.database_url.as_deref();
                let url = url
                    .ok_or(Missing("--from postgres needs the database: DATABASE_URL, or --database-url"))?;
                let bytes = self.byte_store(to)?;
                let bytes = bytes.map(|folder| ByteStore::open("SU_DATA_DIR", folder)).transpose()?;
                Box::new(PostgresSource::open(&DatabaseUrl::parse("DATABASE_URL", url)?, bytes)?)
            }
            SourceKind::LocalStore => match (&self.su_file_db_dir, &self.su_index_db_dir) {
                (Some(files), Some(index)) => Box::new(LocalStoreSource::open(files, index)?),
                _ => return Err(Missing(NO_LOCAL_STORE)),
            },
            SourceKind::Tenants => Box::new(self.tenants()?),
            SourceKind::Url => {
                let url = self.url.as_deref().ok_or(Missing("--from url needs the scheduler: --url"))?;
                let base = parse_url("--url", url)?;
                let options = HttpOptions {
                    transfer_timeout: PAGE_TIMEOUT,
                    head_timeout: PAGE_SILENCE,
                    silence_timeout: PAGE_SILENCE,
                    ..HttpOptions::default()
                };
                Box::new(UrlSource::new(base, Http::new(options)?, tell_wait)?)
            }
        })
    }

    /// The folder of the byte store, if there is one. Rows come into the log once, so content hashes that are not read with
    /// them are lost.
    fn byte_store(&self, to: Option<&Path>) -> Result<Option<&Path>, ImportCommandError> {
        let folder = self.su_data_dir.as_deref();
        if let Some(store) = folder.filter(|folder| is_store(folder)) {
            return Ok(Some(store));
        }
        // As the scheduler has it: true is this word alone.
        if self.use_disk.as_deref() == Some("true") {
            return Err(ImportCommandError::NoByteStore(folder.map(Path::to_owned)));
        }
        if let Some(folder) = folder.filter(|folder| Some(*folder) != to) {
            say(format_args!(
                "no content hashes are read: SU_DATA_DIR names {}, in which there is no byte store",
                folder.display()
            ));
        }
        Ok(None)
    }

    fn tenants(&self) -> Result<TenantsSource, ImportCommandError> {
        let list = self.process_whitelist_url.as_deref();
        let (Some(list), Some(own), Some(base)) = (list, &self.own_url, &self.multi_tenant_base_conn) else {
            return Err(ImportCommandError::Missing(NO_TENANTS));
        };
        let byte_stores = self.multi_tenant_base_data_dir.as_deref();
        if byte_stores.is_none() {
            if self.use_disk.as_deref() == Some("true") {
                return Err(ImportCommandError::NoTenantStores);
            }
            say(format_args!("no content hashes are read: MULTI_TENANT_BASE_DATA_DIR is not set"));
        }
        let url = parse_file_url("PROCESS_WHITELIST_URL", list)?;
        let http = Http::new(HttpOptions::default())?;
        let runtime =
            runtime().map_err(|_| ImportCommandError::Missing("no async runtime can be started"))?;
        let json = runtime.block_on(http.list(&url, LIST_BYTES_MAX))?;
        let list = TenantList::parse(&json, own)?;
        Ok(TenantsSource::open(&list, base, byte_stores)?)
    }

    /// What is asked for what JSON does not show.
    pub(super) fn elsewhere(&self) -> Result<Option<Arc<dyn PartsElsewhere>>, ImportCommandError> {
        if self.offline {
            return Ok(None);
        }
        let gateway = parse_url("GATEWAY_URL", &self.gateway_url)?;
        let or = |name: &str, text: &Option<String>| {
            text.as_ref().map_or(Ok(gateway.clone()), |text| parse_url(name, text))
        };
        let endpoints = Endpoints {
            arweave: or("ARWEAVE_URL", &self.arweave_url)?,
            graphql: or("GRAPHQL_URL", &self.graphql_url)?,
            upload: None,
            cache: None,
            heads: Vec::new(),
            redirect_hosts: Vec::new(),
        };
        let gateway = WaitingGateway::new(Http::new(HttpOptions::default())?, endpoints, tell_wait)?;
        Ok(Some(Arc::new(gateway)))
    }
}

fn tell_wait(waiting: &str) {
    say(format_args!("{waiting}"));
}

const NO_ROWS: &str =
    "--range is of no use with --from url, which shows no numbers of rows; --process names parts";
const NO_PROCESSES: &str = "--from url needs to know which processes, since a scheduler has no list of them: --process, or \
    --processes with a file of ids";
const NO_LOCAL_STORE: &str = "--from local-store needs both of its folders: SU_FILE_DB_DIR and SU_INDEX_DB_DIR, or \
    --su-file-db-dir and --su-index-db-dir";
const NO_TENANTS: &str = "--from tenants needs PROCESS_WHITELIST_URL, URL (or --own-url) and MULTI_TENANT_BASE_CONN, as \
    the scheduler has them";

/// A data folder of a node here is no byte store.
fn is_store(folder: &Path) -> bool {
    folder.join("CURRENT").is_file()
}

/// The processes in a file, one on a line.
pub(crate) fn read_processes(path: &Path) -> Result<Vec<ProcessId>, ProcessFileError> {
    let failed = |error| ProcessFileError::Read { path: path.to_owned(), error };
    let text = fs::read_to_string(path).map_err(failed)?;
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    let mut named = lines.filter(|(_, line)| !line.is_empty()).peekable();
    if named.peek().is_none() {
        return Err(ProcessFileError::Empty(path.to_owned()));
    }
    let parsed = named.map(|(number, line)| {
        line.parse().map_err(|_| ProcessFileError::Line {
            path: path.to_owned(),
            number,
            line: line.to_owned(),
        })
    });
    parsed.collect()
}

/// Why a file of processes cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProcessFileError {
    /// It cannot be read.
    #[error("--processes: {} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// Nothing is in it, which would be taken for all.
    #[error("--processes: no process is named in {}; without --processes all are meant", .0.display())]
    Empty(PathBuf),
    /// A line is none.
    #[error("--processes: line {number} of {} is {line:?}, expected the id of a process", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line.
        number: usize,
        /// What it is.
        line: String,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        source: SourceArgs,
    }

    #[test]
    fn a_file_that_names_no_process_does_not_stand_for_all() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["", "\n  \n"] {
            fs::write(file.path(), text).unwrap();
            assert!(matches!(read_processes(file.path()), Err(ProcessFileError::Empty(_))), "{text:?}");
        }
        let id = "A".repeat(42) + "E";
        fs::write(file.path(), format!("\n {id}\n")).unwrap();
        assert_eq!(read_processes(file.path()).unwrap(), [id.parse().unwrap()]);
    }

    #[test]
    fn a_byte_store_that_is_said_to_be_there_has_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        fs::create_dir(&store).unwrap();
        fs::write(store.join("CURRENT"), "MANIFEST-000001").unwrap();
        let to = folder.path().join("data");
        let found = |named: &Path, use_disk: &str| {
            let named = named.to_str().unwrap();
            let words = ["quipu", "--from", "postgres", "--su-data-dir", named, "--use-disk", use_disk];
            let typed = Typed::try_parse_from(words).unwrap();
            let found = typed.source.byte_store(Some(&to));
            found.map(|found| found.is_some()).map_err(|error| {
                assert!(matches!(error, ImportCommandError::NoByteStore(_)));
                error.to_string()
            })
        };
        for use_disk in ["true", "false"] {
            assert_eq!(found(&store, use_disk), Ok(true));
        }
        for wrong in [folder.path().join("typo"), to.clone()] {
            assert_eq!(found(&wrong, "false"), Ok(false));
            let told = found(&wrong, "true").unwrap_err();
            assert!(told.contains(wrong.to_str().unwrap()) && told.contains("USE_DISK"), "{told}");
        }
    }
}
