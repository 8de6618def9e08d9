//! Databases of the existing scheduler, made row by row.

use ans104::Ed25519Wallet;
use quipu_tests::Postgres;
use testing::{ExistingRow, SampleProcess};

/// A database of the existing scheduler with so many processes and messages each.
pub(crate) fn made_database(postgres: &Postgres, processes: u64, messages: usize) -> (String, u64) {
    let database = postgres.create_database("made");
    (database, fill_made(postgres, processes, messages))
}

/// The same in a database `made` that is there.
pub(crate) fn fill_made(postgres: &Postgres, processes: u64, messages: usize) -> u64 {
    postgres.sql("made", TABLES);
    let wallet = Ed25519Wallet::from_seed([2; 32]);
    let mut rows = 0;
    for seed in 0..processes {
        let mut sample = SampleProcess::new(seed);
        let mut appends = vec![sample.spawn()];
        appends.extend(sample.messages(messages));
        rows += appends.len() as u64;
        let stored: Vec<String> =
            appends.iter().map(|append| insert(&ExistingRow::of(append, &wallet))).collect();
        postgres.sql_file("made", &stored.concat());
    }
    postgres.sql("made", "grant select on all tables in schema public to quipu");
    rows
}

/// The tables as they were in the spring of 2024: later columns are missing.
pub(crate) const TABLES: &str = "create table processes (row_id serial primary key, process_id varchar(255) unique not null, \
     process_data jsonb not null, bundle bytea not null); \
     create table messages (row_id serial primary key, process_id varchar(255) not null, \
     message_id varchar(255) not null, message_data jsonb not null, epoch int4 not null, nonce int4 not null, \
     timestamp int8 not null, bundle bytea not null, hash_chain text not null); \
     create index on messages (process_id, nonce)";

pub(crate) fn insert(row: &ExistingRow) -> String {
    let blob: String = row.blob.iter().map(|byte| format!("{byte:02x}")).collect();
    let process = row.process;
    match &row.place {
        Some((nonce, time, chain)) if !row.is_process => format!(
            "insert into messages (process_id, message_id, message_data, epoch, nonce, timestamp, bundle, hash_chain) \
             values ('{process}', '{}', '{{}}', 0, {nonce}, {time}, '\\x{blob}', '{chain}');\n",
            row.message
        ),
        _ => format!(
            "insert into processes (process_id, process_data, bundle) values ('{process}', '{{}}', '\\x{blob}');\n"
        ),
    }
}
