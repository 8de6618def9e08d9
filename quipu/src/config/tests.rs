//! What is shown of settings, and what is found to be wrong with them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;

use ans104::{KeyType, Wallet};
use clap::{Command, CommandFactory};
use serde_json::Value;
use tempfile::TempDir;

use super::effective::Effective;
use super::findings::name_of;
use super::variables::{ValueOrigin, Variables};
use crate::cli::Cli;
use crate::settings::heed_existing;

/// Every variable that the existing scheduler has ever read.
const EXISTING: &str = "SU_WALLET_PATH DATABASE_URL DATABASE_READ_URL GRAPHQL_URL ARWEAVE_URL GATEWAY_URL \
    UPLOAD_NODE_URL MODE SCHEDULER_LIST_PATH DB_WRITE_CONNECTIONS DB_READ_CONNECTIONS USE_DISK SU_DATA_DIR \
    MIGRATION_BATCH_SIZE ENABLE_METRICS MAX_READ_MEMORY PROCESS_CACHE_SIZE ENABLE_PROCESS_ASSIGNMENT \
    ARWEAVE_URL_LIST USE_LOCAL_STORE SU_FILE_DB_DIR SU_INDEX_DB_DIR SU_FILE_SYNC_DB_DIR SU_INDEX_SYNC_DB_DIR \
    CACHE_URL ENABLE_DEEP_HASH_CHECKS CURRENT_DEEPHASH_VERSION DEEPHASH_RECALC_LIMIT WARMUP_DELAY \
    ENABLE_ROUTER_CHECK ROUTER_URL ASSIGNMENT ENABLE_MESSAGE_MAX_SIZE MAX_MESSAGE_SIZE_BYTES \
    MAX_SIZE_OWNER_WHITELIST MAX_SIZE_FROM_OWNER_WHITELIST MAX_SIZE_FROM_WHITELIST IP_WHITELIST_URL \
    PROCESS_WHITELIST_URL URL MULTI_TENANT_BASE_CONN MULTI_TENANT_BASE_READ_CONN MULTI_TENANT_BASE_DATA_DIR \
    TIMESTAMP_SORT_PROCESSES RUST_LOG HOME";

/// A wallet, and the settings with it.
fn with_wallet(set: &[(&str, &str)]) -> (TempDir, Variables) {
    let folder = TempDir::new().unwrap();
    let wallet = folder.path().join("wallet.json");
    fs::write(&wallet, Wallet::generate(KeyType::Ed25519).unwrap().to_jwk().as_bytes()).unwrap();
    let mut all: Vec<_> = set.iter().map(|(name, value)| (*name, *value, ValueOrigin::File)).collect();
    all.push(("SU_WALLET_PATH", wallet.to_str().unwrap(), ValueOrigin::Environment));
    let variables = Variables::of(&all);
    (folder, variables)
}

fn effective(line: &str, variables: &Variables) -> Effective {
    let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    Effective::of(&words, variables).unwrap()
}

fn shown(line: &str, variables: &Variables, all: bool) -> String {
    let mut out = Vec::new();
    effective(line, variables).write(&mut out, all).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn every_variable_of_the_existing_scheduler_is_a_setting_or_explained() {
    fn read(command: &Command, names: &mut BTreeSet<String>) {
        names.extend(command.get_arguments().filter_map(name_of).map(str::to_owned));
        command.get_subcommands().for_each(|below| read(below, names));
    }
    let mut settings = BTreeSet::new();
    read(&Cli::command(), &mut settings);
    let heeded =
        |name: &&str| settings.contains(*name) || heed_existing("su", name, "x".as_ref(), false).is_some();
    let missing: Vec<_> = EXISTING.split_whitespace().filter(|name| !heeded(name)).collect();
    assert!(missing.is_empty(), "neither settings nor explained: {missing:?}");
}

#[test]
fn what_is_right_has_no_problems() {
    let (_folder, variables) =
        with_wallet(&[("USE_DISK", "true"), ("ENABLE_METRICS", "true"), ("MODE", "su")]);
    assert_eq!(effective("su 9000", &variables).problems(), &[] as &[String]);
    assert_eq!(effective("su", &variables).problems(), &[] as &[String]);
}

#[test]
fn all_that_is_wrong_is_named_and_not_only_the_first() {
    let wrong = [
        ("ARWEAVE_URL", "ftp://example.org", "ftp"),
        ("CACHE_URL", "cache.example", "http"),
        ("GRAPHQL_URL", "not a url", "http"),
        ("MAX_CLIENT_MEMORY", "5", "67108864"),
        ("PROCESS_CACHE_SIZE", "0", "processes"),
        ("CLOCK_JUMP_MAX_SECONDS", "0", "1.."),
        ("ENABLE_METRICS", "maybe", "true"),
        ("LOG_FORMAT", "xml", "json"),
        ("UI", "maybe", "admin"),
        ("RUST_LOG", "scheduler=loud", "trace"),
        ("DATABASE_URL", "mysql://user:guess-me@host/name", "postgres://"),
        ("ADMIN_TOKEN", " guess-me", "white space"),
        ("MULTI_TENANT_BASE_CONN", "postgres://user:guess-me@host", "tenants"),
        ("MODE", "router", "router"),
    ];
    // These two are wrong only without those that are wrong above.
    let follow = [("DATABASE_READ_URL", "postgres://host/name"), ("ADMIN_LISTEN", "0.0.0.0:9001")];
    let set: Vec<_> = wrong.iter().map(|(name, value, _)| (*name, *value)).chain(follow).collect();
    let variables: Vec<_> =
        set.iter().map(|(name, value)| (*name, *value, ValueOrigin::Environment)).collect();
    let effective = effective("su 9000", &Variables::of(&variables));
    let problems = effective.problems();
    for (name, value, also) in wrong {
        let found: Vec<_> = problems.iter().filter(|problem| problem.contains(name)).collect();
        assert!(found.iter().any(|found| found.contains(also)), "{name}={value}: {also:?} in {found:?}");
    }
    assert!(problems.iter().any(|problem| problem.starts_with("SU_WALLET_PATH is not set")), "{problems:?}");
    assert_eq!(problems.len(), wrong.len() + 1, "{problems:#?}");
    let text = shown("su 9000", &Variables::of(&variables), true);
    assert!(!text.contains("guess-me"), "{text}");
}

/// A variable may have the name of a word, and one problem does not hide another.
#[test]
fn no_problem_hides_another() {
    let set = [
        ("URL", "https://su.example"),
        ("GRAPHQL_URL", "not a url"),
        ("CACHE_URL", "not a url either"),
        ("ADMIN_LISTEN", "0.0.0.0:9001"),
        ("ADMIN_TOKEN", "guess-me"),
        ("REPLICATION_ACKS", "1"),
    ];
    let set: Vec<_> = set.iter().map(|(name, value)| (*name, *value, ValueOrigin::Environment)).collect();
    let found = effective("su", &Variables::of(&set));
    for name in ["GRAPHQL_URL", "CACHE_URL", "SU_WALLET_PATH", "MEMBER_URL"] {
        let told = found.problems().iter().filter(|problem| problem.contains(name)).count();
        assert_eq!(told, 1, "{name}: {:#?}", found.problems());
    }
    assert_eq!(found.problems().len(), 4, "{:#?}", found.problems());
}

#[test]
fn a_router_has_settings_of_its_own() {
    let set = |name, value| Variables::of(&[(name, value, ValueOrigin::Environment)]);
    assert_eq!(effective("router 9000", &set("MODE", "router")).problems(), &[] as &[String]);
    let listed = set("PROCESS_WHITELIST_URL", "https://list.example");
    assert_eq!(effective("router", &listed).problems(), &[] as &[String]);
    // The databases of tenants are a node's, which may have one file of settings with its router.
    let tenants = set("MULTI_TENANT_BASE_CONN", "postgres://host");
    assert_eq!(effective("router", &tenants).problems(), &[] as &[String]);
    for (name, value, told) in [
        ("DATABASE_URL", "mysql://host", "postgres://"),
        ("ROUTER_MODE", "guess", "forward"),
        ("PROCESS_WHITELIST_URL", "nowhere", "PROCESS_WHITELIST_URL"),
        ("ADMIN_LISTEN", "nowhere", "ADMIN_LISTEN"),
    ] {
        let found = effective("router", &set(name, value));
        let problems = found.problems();
        assert!(problems.len() == 1 && problems[0].contains(told), "{name}: {problems:?}");
    }
    assert!(shown("router", &Variables::of(&[]), true).contains("ROUTER_DATA_DIR=./router-data  [default]"));
}

#[test]
fn what_is_for_a_gate_that_is_wrong_is_no_fault_of_its_own() {
    let (_folder, variables) = with_wallet(&[("GATE", "ftp://host"), ("GATE_SINGLE_COPY", "accept")]);
    let found = effective("su", &variables);
    assert!(matches!(found.problems(), [one] if one.starts_with("GATE:")), "{:?}", found.problems());
    let (_folder, variables) = with_wallet(&[("GATE_SINGLE_COPY", "accept")]);
    let found = effective("su", &variables);
    assert!(matches!(found.problems(), [one] if one.contains("GATE_SINGLE_COPY")), "{:?}", found.problems());
}

#[test]
fn a_flag_goes_before_a_variable() {
    let (_folder, variables) = with_wallet(&[("MAX_READ_MEMORY", "0"), ("DATABASE_URL", "mysql://host")]);
    let line = "su 9000 --max-read-memory 1000 --database-url=postgres://user:guess-me@host/name";
    assert_eq!(effective(line, &variables).problems(), &[] as &[String]);
    let text = shown(line, &variables, false);
    assert!(text.contains("MAX_READ_MEMORY=1000  [flag]"), "{text}");
    assert!(text.contains("DATABASE_URL=(not shown)  [flag]"), "{text}");
}

#[test]
fn what_is_not_read_is_found_as_well() {
    let (_folder, variables) = with_wallet(&[]);
    let problems = effective("su 9000 --nonsense", &variables);
    assert!(problems.problems()[0].contains("--nonsense"), "{:?}", problems.problems());
    let problems = effective("standby 9100", &Variables::of(&[]));
    assert!(problems.problems()[0].starts_with("REPLICATE_FROM is not set"), "{:?}", problems.problems());
    assert!(problems.problems()[1].contains("REPLICATE_TOKEN_FILE"), "{:?}", problems.problems());
    assert_eq!(problems.problems().len(), 2, "{:?}", problems.problems());
    assert!(Effective::of(&["bench".to_owned()], &variables).is_err());
}

#[test]
fn each_value_is_shown_with_its_origin_and_meaning() {
    let (_folder, variables) = with_wallet(&[
        ("UPLOAD_NODE_URL", "https://user:guess-me@up.example/path"),
        ("ADMIN_TOKEN", "guess-me"),
        ("ARWEAVE_URL_LIST", "https://a.example,https://user:guess-me@b.example"),
        ("GRAPHQL_URL", "https://user:guess/me?guess-me@c.example"),
        ("IP_WHITELIST_URL", "https://list.example/ips?token=guess-me"),
        ("MULTI_TENANT_BASE_READ_CONN", "postgres://host/?sslpassword=guess-me"),
        ("WARMUP_DELAY", "30"),
        ("REPLICATE_FROM", "http://leader:9001"),
        ("UPLOAD_NOD_URL", "https://up.example"),
    ]);
    let text = shown("su", &variables, true);
    for part in [
        "SU_WALLET_PATH=",
        "[environment]",
        "UPLOAD_NODE_URL=https://(not shown)@up.example/path  [.env]",
        "ADMIN_TOKEN=(not shown)  [.env]",
        "SU_DATA_DIR=./data  [default]",
        "CACHE_URL=(not set)  [default]",
        "WARMUP_DELAY=30  [.env]\n    has no effect here: a node is ready as soon as it serves",
        "REPLICATE_FROM=(not shown)  [.env]\n    is a setting of `quipu standby`",
        "UPLOAD_NOD_URL=(not shown)  [.env]\n    is no setting of quipu",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(!text.contains("guess-me"), "{text}");
    let set = shown("su", &variables, false);
    assert!(!set.contains("[default]") && set.contains("ADMIN_TOKEN"), "{set}");
    let json: Value = effective("su", &variables).to_json(true);
    let settings = json["settings"].as_array().unwrap();
    let folder = settings.iter().find(|setting| setting["name"] == "SU_DATA_DIR").unwrap();
    assert_eq!((&folder["value"], &folder["origin"]), (&"./data".into(), &"default".into()));
}

#[test]
fn flags_are_looked_at_as_variables_are() {
    let (_folder, variables) = with_wallet(&[("UI", "maybe"), ("MAX_CLIENT_MEMORY", "5")]);
    let found = effective("su 9000 --enable-metrics maybe --log-format=xml --nonsense", &variables);
    let problems = found.problems();
    for part in ["UI", "MAX_CLIENT_MEMORY", "--enable-metrics", "--log-format", "--nonsense"] {
        assert_eq!(problems.iter().filter(|found| found.contains(part)).count(), 1, "{part}: {problems:#?}");
    }
    assert_eq!(problems.len(), 5, "{problems:#?}");
    let none = Variables::of(&[]);
    for line in ["standby 9100 --voter --from URL", "standby 9100 --from URL --voter"] {
        let line = line.replace("URL", "http://user:guess-me@10.0.0.5:9001 --replicate-token guess-me");
        let text = shown(&line, &none, false);
        assert!(text.contains("\nREPLICATION_VOTER=true  [flag]"), "{text}");
        assert!(text.contains("--replicate-token (not shown)") && !text.contains("guess-me"), "{text}");
        assert!(text.contains("\nIt would start with these settings."), "{text}");
    }
    let text =
        shown("standby 9100 --from=http://user:guess-me@leader --replicate-token=guess-me", &none, false);
    assert!(
        text.starts_with(
            "quipu standby 9100 --from=http://(not shown)@leader --replicate-token=(not shown)\n"
        )
    );
    assert!(!text.contains("guess-me"), "{text}");
}

#[test]
fn who_keeps_a_log_with_others_says_where_they_find_it() {
    let everywhere = [("ADMIN_LISTEN", "0.0.0.0:9001"), ("ADMIN_TOKEN", "guess-me")];
    let (_folder, variables) = with_wallet(&everywhere);
    let standby = "standby --from http://10.0.0.5:9001 --replicate-token guess-me";
    for (line, is_wrong) in [
        ("su", false),
        ("su --replication-acks 1", true),
        ("su --replication-acks 1 --member-url http://10.0.0.5:9001", false),
        (standby, false),
        (&format!("{standby} --voter"), true),
        (&format!("{standby} --voter --member-url http://10.0.0.6:9001"), false),
    ] {
        let found = effective(line, &variables);
        let problems = found.problems();
        assert_eq!(problems.len(), usize::from(is_wrong), "{line}: {problems:?}");
        assert!(problems.iter().all(|problem| problem.contains("MEMBER_URL")), "{problems:?}");
    }
}
