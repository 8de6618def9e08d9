//! The databases of a scheduler that serves several tenants, as one source: a list says which process is in which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use projections::{DatabaseUrl, DatabaseUrlError};
use protocol::ProcessId;
use serde::Deserialize;
use thiserror::Error;

use crate::deep_hashes::ByteStore;
use crate::postgres::{PostgresSource, PostgresSourceError};
use crate::source::{ImportScope, Source, SourceError, SourceRow, SourceTotals, SourceVisit};
use crate::stores::ForeignStoreError;
use crate::target::KnownRows;

/// The tenants of one scheduler: its databases, and the processes in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantList {
    /// The scheduler.
    own: String,
    tenants: Vec<Tenant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tenant {
    database: String,
    byte_store: String,
    processes: Vec<ProcessId>,
}

/// All tenants of a scheduler.
pub struct TenantsSource {
    own: String,
    databases: Vec<(PostgresSource, Vec<ProcessId>)>,
}

/// Why tenants are not read.
#[derive(Debug, Error)]
pub enum TenantError {
    /// The list has another form.
    #[error("PROCESS_WHITELIST_URL: this is no list of tenants")]
    Json(#[from] serde_json::Error),
    /// The list does not name the scheduler.
    #[error("PROCESS_WHITELIST_URL: the list has no scheduler {own:?}, as URL says; it has {}", .named.join(", "))]
    NotNamed {
        /// The own URL.
        own: String,
        /// Those that it has.
        named: Vec<String>,
    },
    /// A process is not one.
    #[error("PROCESS_WHITELIST_URL: {0:?} is no id of a process")]
    Process(String),
    /// A process is in a database that the scheduler has not.
    #[error(
        "PROCESS_WHITELIST_URL: process {process} is in {database:?}, which is no database of this scheduler there"
    )]
    Database {
        /// Which process.
        process: String,
        /// Which database.
        database: String,
    },
    /// The address of a database cannot be used.
    #[error(transparent)]
    Url(#[from] DatabaseUrlError),
    /// A database is not read.
    #[error(transparent)]
    Postgres(#[from] PostgresSourceError),
    /// A byte store is not there.
    #[error(
        "MULTI_TENANT_BASE_DATA_DIR: there is no byte store in {}, and the content hashes of what is in {database:?} would be lost \
         for good; without MULTI_TENANT_BASE_DATA_DIR all is imported without any", .folder.display()
    )]
    NoBytes {
        /// Where it should be.
        folder: PathBuf,
        /// Beside which database.
        database: String,
    },
    /// A byte store is not read.
    #[error(transparent)]
    Bytes(#[from] ForeignStoreError),
}

#[derive(Deserialize)]
struct ListForm {
    sus: BTreeMap<String, SchedulerForm>,
    processes: BTreeMap<String, ProcessForm>,
}

#[derive(Deserialize)]
struct SchedulerForm {
    dbs: Vec<DatabaseForm>,
}

#[derive(Deserialize)]
struct DatabaseForm {
    db_name: String,
    efs_name: String,
}

#[derive(Deserialize)]
struct ProcessForm {
    su: String,
    db_name: String,
}

impl TenantList {
    /// Reads the part of a list that is of the scheduler with this URL.
    ///
    /// # Errors
    /// When it has another form, or says nothing of it.
    pub fn parse(json: &[u8], own: &str) -> Result<Self, TenantError> {
        let form: ListForm = serde_json::from_slice(json)?;
        // People write URLs with a slash at the end, or without.
        let bare = |url: &str| url.trim().trim_end_matches('/').to_owned();
        let named = || form.sus.keys().cloned().collect();
        let not_named = || TenantError::NotNamed { own: own.to_owned(), named: named() };
        let (_, scheduler) = form.sus.iter().find(|(url, _)| bare(url) == bare(own)).ok_or_else(not_named)?;
        let tenant = |form: &DatabaseForm| Tenant {
            database: form.db_name.clone(),
            byte_store: form.efs_name.clone(),
            processes: Vec::new(),
        };
        let mut tenants: Vec<Tenant> = scheduler.dbs.iter().map(tenant).collect();
        for (id, entry) in form.processes.iter().filter(|(_, entry)| bare(&entry.su) == bare(own)) {
            let process = id.parse().map_err(|_| TenantError::Process(id.clone()))?;
            let missing = || TenantError::Database { process: id.clone(), database: entry.db_name.clone() };
            let tenant = tenants.iter_mut().find(|tenant| tenant.database == entry.db_name);
            tenant.ok_or_else(missing)?.processes.push(process);
        }
        Ok(Self { own: bare(own), tenants })
    }
}

impl TenantsSource {
    /// Looks whether the byte store of each tenant is there.
    fn check_bytes(used: &[&Tenant], byte_stores: Option<&Path>) -> Result<(), TenantError> {
        let folders = used.iter().filter_map(|tenant| Some((byte_stores?.join(&tenant.byte_store), tenant)));
        let mut missing = folders.filter(|(folder, _)| !folder.join("CURRENT").is_file());
        missing.next().map_or(Ok(()), |(folder, tenant)| {
            Err(TenantError::NoBytes { folder, database: tenant.database.clone() })
        })
    }

    /// Opens each database that a process is in; `base` is their address without a name. Content hashes are in folders below
    /// `byte_stores`, if there are any.
    ///
    /// # Errors
    /// When one of them is not read.
    pub fn open(list: &TenantList, base: &str, byte_stores: Option<&Path>) -> Result<Self, TenantError> {
        let used: Vec<_> = list.tenants.iter().filter(|tenant| !tenant.processes.is_empty()).collect();
        Self::check_bytes(&used, byte_stores)?;
        let opened = used.into_iter().map(|tenant| {
            let url = format!("{}/{}", base.trim_end_matches('/'), tenant.database);
            let url = DatabaseUrl::parse("MULTI_TENANT_BASE_CONN", &url)?;
            let folder: Option<PathBuf> = byte_stores.map(|folder| folder.join(&tenant.byte_store));
            let bytes = folder.map(|folder| ByteStore::open("MULTI_TENANT_BASE_DATA_DIR", &folder));
            Ok((PostgresSource::open(&url, bytes.transpose()?)?, tenant.processes.clone()))
        });
        let databases = opened.collect::<Result<_, TenantError>>()?;
        Ok(Self { own: list.own.clone(), databases })
    }

    /// The part of a scope that is in one database; none when nothing of it is.
    fn part(processes: &[ProcessId], scope: &ImportScope) -> Option<ImportScope> {
        let wanted = |process: &&ProcessId| scope.processes.is_empty() || scope.processes.contains(process);
        let processes: Vec<_> = processes.iter().filter(wanted).copied().collect();
        (!processes.is_empty()).then_some(ImportScope { processes, rows: scope.rows })
    }
}

impl Source for TenantsSource {
    fn name(&self) -> String {
        // Its databases may be others tomorrow, and it is still the same.
        format!("the tenants of {}", self.own)
    }

    fn totals(&mut self, scope: &ImportScope) -> Result<SourceTotals, SourceError> {
        let mut all = SourceTotals::default();
        for (source, processes) in &mut self.databases {
            let Some(part) = Self::part(processes, scope) else { continue };
            let found = source.totals(&part)?;
            all.processes = all.processes.saturating_add(found.processes);
            all.messages = all.messages.saturating_add(found.messages);
        }
        Ok(all)
    }

    fn read(
        &mut self,
        scope: &ImportScope,
        known: &dyn KnownRows,
        visit: &mut SourceVisit<'_>,
    ) -> Result<(), SourceError> {
        let mut broke = false;
        for (source, processes) in &mut self.databases {
            let Some(part) = Self::part(processes, scope) else { continue };
            let mut missing: BTreeSet<_> = part.processes.iter().copied().collect();
            source.read(&part, known, &mut |row| {
                if let Some(process) = row.process() {
                    missing.remove(&process);
                }
                let flow = visit(row);
                broke |= flow.is_break();
                flow
            })?;
            // Of one that was asked for by itself whoever asks tells it, and of a part of the rows nothing can be said.
            let is_all = scope.processes.is_empty() && scope.rows.is_none();
            let told = missing.into_iter().filter(|_| is_all);
            if broke || told.map(SourceRow::Absent).any(|row| visit(row).is_break()) {
                return Ok(());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use ans104::Id;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_own_part_of_a_list_is_read() {
        let id = |number| ProcessId::from(Id::from_bytes([number; 32]));
        let list = |db: &str| {
            json!({
                "sus": {
                    "https://su1.example": { "dbs": [{ "db_name": "a", "efs_name": "ea" }, { "db_name": "b", "efs_name": "eb" }] },
                    "https://su2.example": { "dbs": [] },
                },
                "processes": {
                    id(1).to_string(): { "su": "https://su1.example/", "db_name": "a" },
                    id(2).to_string(): { "su": "https://su1.example", "db_name": db, "read_only": true },
                    id(3).to_string(): { "su": "https://su2.example", "db_name": "c" },
                },
            })
            .to_string()
        };
        let read = TenantList::parse(list("b").as_bytes(), "https://su1.example").unwrap();
        let tenants: Vec<_> =
            read.tenants.iter().map(|tenant| (tenant.database.as_str(), &tenant.processes[..])).collect();
        assert_eq!(tenants, [("a", &[id(1)][..]), ("b", &[id(2)])]);
        let error = |json: &str, own| TenantList::parse(json.as_bytes(), own).unwrap_err().to_string();
        assert!(error(&list("z"), "https://su1.example").contains("\"z\""));
        assert!(error(&list("b"), "https://su9.example").contains("su2.example"));
        assert!(error("[]", "https://su1.example").contains("no list of tenants"));
        // A byte store that is named has to be there, before any database is asked.
        let folder = tempfile::tempdir().unwrap();
        let open =
            || TenantsSource::open(&read, "no address", Some(folder.path())).err().unwrap().to_string();
        assert!(open().contains("ea"), "{}", open());
        for (name, other) in [("ea", "eb"), ("eb", "MULTI_TENANT_BASE_CONN")] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("CURRENT"), "").unwrap();
            assert!(open().contains(other), "{}", open());
        }
        let part = |processes: &[ProcessId]| {
            TenantsSource::part(&[id(1), id(2)], &ImportScope { processes: processes.to_vec(), rows: None })
        };
        assert_eq!(part(&[]).unwrap().processes, [id(1), id(2)]);
        assert_eq!(part(&[id(2), id(9)]).unwrap().processes, [id(2)]);
        assert!(part(&[id(9)]).is_none(), "nothing wanted is not everything");
    }
}
