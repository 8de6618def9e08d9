//! Real nodes as processes on loopback: whether they keep what they promise when they are killed, starved, damaged,
//! flooded and stopped. See `quipu_tests` for what the scenarios are made of.

mod admin_page;
mod allocator;
mod attacks;
mod backups;
mod bench;
mod bodies;
mod checkpoints;
mod checks;
mod comparing;
mod config;
mod conformance;
mod damage;
mod described;
mod described_members;
mod described_moves;
mod dev;
mod dev_fleet;
mod disk_full;
mod duplicates;
mod explored;
mod failing_fsync;
mod field;
mod gateways;
mod graphql;
mod hang_ups;
mod hanging_fsync;
mod import;
mod import_faults;
mod import_servers;
mod http;
mod folders;
mod kill;
mod leader_kills;
mod leadership;
mod limits;
mod location;
mod location_taken;
mod long_lists;
mod made_databases;
mod members;
mod members_cut;
mod members_kills;
mod members_takeover;
mod moving;
mod moving_back;
mod moving_faults;
mod moving_long;
mod moving_on;
mod moving_open;
mod moving_pairs;
mod moving_wrong;
mod namespace;
mod old_way;
mod operators;
mod oracle;
mod overload;
mod pages;
mod postgres;
mod postgres_faults;
mod postgres_load;
mod postgres_network;
mod postgres_patience;
mod promote;
mod queries;
mod queries_faults;
mod queries_world;
mod repair;
mod replay;
mod refusals;
mod reupload;
mod restarts;
mod returning;
mod router;
mod router_auto;
mod router_calls;
mod router_failover;
mod router_faults;
mod router_forward;
mod router_hyperbeam;
mod router_newcomers;
mod router_registration;
mod router_told;
mod router_whereabouts;
mod router_postgres;
mod router_second_homes;
mod router_set_back;
mod router_state;
mod rewind;
mod rewind_faults;
mod settings;
mod signatures;
mod slow_clients;
mod standby;
mod standby_behind;
mod standby_full;
mod standby_network;
mod standby_queries;
mod standby_settings;
mod standby_tls;
mod standby_told;
mod stderr;
mod stop;
mod sync;
mod tables;
mod taking_over;
mod taking_over_recorded;
mod taking_over_stores;
mod taking_turns;
mod times;
mod upload_faults;
mod upgrade;
mod uploads;
mod vectors;
mod verify_item;
mod wallets;
mod watching;

/// A folder that is gone with its test.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("the folder for temporary files can be written to")
}

/// A copy of a folder and of all that is in it.
fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    testing::copy_folder(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}
