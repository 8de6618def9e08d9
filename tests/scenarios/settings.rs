//! Settings that no node can run with: each is refused, and the error names it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use quipu_tests::{Launch, workspace};

use crate::folder;

/// A setting, a value that it cannot have, and what the error must say besides its name.
const WRONG: &[(&str, &str, &str)] = &[
    ("SU_WALLET_PATH", "no/such/wallet.json", "no/such/wallet.json"),
    ("SU_WALLET_PATH", "garbage.json", "garbage.json"),
    ("ARWEAVE_URL", "not a url", "http(s)://"),
    ("ARWEAVE_URL", "ftp://example.org", "ftp"),
    ("GRAPHQL_URL", "http://", "http(s)://"),
    ("UPLOAD_NODE_URL", "http://", "http(s)://"),
    ("CACHE_URL", "cache.example", "http(s)://"),
    ("GATEWAY_URL", "http://example.org/?query", "query"),
    ("ARWEAVE_URL_LIST", "http://127.0.0.1:1,nonsense", "entry 2"),
    ("GATEWAY_REDIRECT_HOSTS", "gateway.internal,http://other", "entry 2"),
    ("ADMIN_LISTEN", "0.0.0.0:0", "ADMIN_TOKEN"),
    ("ADMIN_LISTEN", "somewhere", "somewhere"),
    ("ENABLE_METRICS", "maybe", "maybe"),
    ("ENABLE_PROCESS_ASSIGNMENT", "yes", "yes"),
    ("ENABLE_DEEP_HASH_CHECKS", "no", "true"),
    ("MAX_READ_MEMORY", "0", "bytes"),
    ("MAX_READ_MEMORY", "-1", "-1"),
    ("MAX_CLIENT_MEMORY", "67108863", "67108864"),
    ("MAX_CLIENT_MEMORY", "64MiB", "expected a number of bytes"),
    ("MAX_STORE_MEMORY", "33554431", "33554432 (32 MiB) or more"),
    ("PROCESS_CACHE_SIZE", "0", "processes"),
    ("PROCESS_CACHE_SIZE", "many", "many"),
    ("CLOCK_JUMP_MAX_SECONDS", "0", "1.."),
    ("IP_WHITELIST_URL", "list.json", "http(s)://"),
    ("IP_WHITELIST_URL", "https://host:secret/?key=secret", "http(s)://"),
    ("TRUSTED_PROXIES", "127.0.0.1,localhost", "entry 2"),
    ("RATE_LIMIT", "50/day", "50/s"),
    ("RATE_LIMIT", "0/s", "50/s"),
    ("PROCESS_WHITELIST_URL", "file:///list.json", "http(s)://"),
    ("ENABLE_MESSAGE_MAX_SIZE", "yes", "true"),
    ("MAX_MESSAGE_SIZE_BYTES", "0", "bytes"),
    ("MAX_MESSAGE_SIZE_BYTES", "many", "many"),
    ("MAX_SIZE_OWNER_WHITELIST", "somebody", "entry 1"),
    ("MAX_SIZE_FROM_OWNER_WHITELIST", "somebody", "43 characters"),
    ("MAX_SIZE_FROM_WHITELIST", "some process", "43 characters"),
    ("ENABLE_ROUTER_CHECK", "true", "ROUTER_URL"),
    ("ROUTER_URL", "router.example", "http(s)://"),
    ("LOCATION_URL", "su.example", "http(s)://"),
    ("LOCATION_URL", "https://su.example/su", "nothing behind it"),
    ("LOCATION_URL", "https://quipu:secret@su.example", "nothing behind it"),
    ("LOCATION_URL", "https://su.example", "UPLOAD_NODE_URL"),
    ("RUST_LOG", "scheduler=loud", "trace"),
    ("LOG_FORMAT", "xml", "json"),
    ("DATABASE_URL", "mysql://host/name", "postgres://"),
    ("DATABASE_URL", "postgres://quipu:secret@host:port/name", "port"),
    ("DATABASE_URL", "postgres://quipu@host/name?sslpassword=secret", "sslpassword"),
    ("DATABASE_READ_URL", "postgres://host/name", "DATABASE_URL"),
    ("DATABASE_READ_URL", "postgres://quipu:secret@host/name?channel_binding=require", "channel_binding"),
    ("ADMIN_TOKEN", "guess-me-not\n", "white space"),
    ("ADMIN_TOKEN", " ", "white space"),
    ("ADMIN_TOKEN", "guess-me-schlüssel", "ASCII"),
    ("ADMIN_TOKEN", "guess-me\tnot", "ASCII"),
    ("REPLICATE_TOKEN", "guess-me-schlüssel", "ASCII"),
    ("SU_DATA_DIR", " data", "white space"),
    ("GATEWAY_URL", "http://127.0.0.1:1 ", "white space"),
    // Variables of the existing scheduler that restrict or redirect.
    ("MODE", "router", "router"),
    ("MULTI_TENANT_BASE_CONN", "postgres://user:secret@host", "tenants"),
];

/// Variables of the existing scheduler that have no effect here.
const UNUSED: [(&str, &str); 4] = [
    ("USE_DISK", "true"),
    ("USE_LOCAL_STORE", "false"),
    ("MIGRATION_BATCH_SIZE", "10"),
    ("WARMUP_DELAY", "30"),
];

/// Every setting of a node.
fn settings() -> Vec<String> {
    let text = fs::read_to_string(workspace().join(".env.example")).unwrap();
    let name = |line: &str| Some(line.trim_start_matches('#').split_once('=')?.0.to_owned());
    text.lines().filter_map(name).collect()
}

#[test]
fn a_wrong_setting_is_named_at_start_up() {
    for (name, value, also) in WRONG {
        let folder = folder();
        fs::write(folder.path().join("garbage.json"), "{\"kty\":\"RSA\"}").unwrap();
        let refused = Launch::su(folder.path()).set(name, value).run();
        let told = &refused.stderr;
        assert_eq!(refused.code, Some(2), "{name}={value}: {told}");
        assert!(told.contains(name), "{name}={value} is not named: {told}");
        assert!(told.contains(also), "{name}={value}: {also:?} is not said: {told}");
        assert!(!told.contains("secret") && !told.contains("guess-me"), "{name} is told in whole: {told}");
        assert!(!told.contains("panicked"), "{name}={value}: {told}");
        assert!(!folder.path().join("data").exists(), "{name}={value} left something behind");
    }
}

/// As compose files and `.env.example` give them.
#[test]
fn a_variable_that_is_set_to_nothing_is_not_set() {
    let folder = folder();
    let names = settings();
    assert!(names.len() > 20, "{names:?}");
    let launch = Launch::su(folder.path()).unset("SU_DATA_DIR");
    let launch = names.iter().filter(|name| *name != "SU_WALLET_PATH" && *name != "LOG_FORMAT").fold(
        launch,
        // A gateway on the network must not be asked.
        |launch, name| if name == "GATEWAY_URL" { launch } else { launch.set(name, "") },
    );
    let node = launch.set("MULTI_TENANT_BASE_CONN", "").serve();
    assert!(folder.path().join("data/log").is_dir(), "the data is where it is by default");
    assert_eq!(node.admin_url().split(':').count(), 3, "the admin listener is open on loopback");
    node.stop();
    let refused = Launch::su(folder.path()).set("SU_WALLET_PATH", "").run();
    let told = &refused.stderr;
    assert!(told.contains("--su-wallet-path") && told.contains("SU_WALLET_PATH"), "{told}");
}

#[test]
fn what_is_wrong_is_said_once_and_before_anything_else() {
    let folder = folder();
    let garbage = folder.path().join("garbage.json");
    fs::write(&garbage, "{}").unwrap();
    fs::set_permissions(&garbage, fs::Permissions::from_mode(0o644)).unwrap();
    for (name, value, once) in
        [("GATEWAY_URL", "foo", "relative URL"), ("SU_WALLET_PATH", "garbage.json", "garbage.json")]
    {
        let told = Launch::su(folder.path()).set(name, value).run().stderr;
        assert_eq!((told.lines().count(), told.matches(once).count()), (1, 1), "{told}");
    }
}

#[test]
fn variables_without_effect_are_told_once() {
    let folder = folder();
    let launch =
        UNUSED.iter().fold(Launch::su(folder.path()), |launch, (name, value)| launch.set(name, *value));
    let told = launch.serve().stop().stderr;
    for (name, _) in UNUSED {
        assert_eq!(told.matches(&format!("{name} has no effect here")).count(), 1, "{name}: {told}");
    }
}

#[test]
fn settings_are_read_from_the_file_beside_the_node() {
    let folder = folder();
    fs::write(folder.path().join(".env"), "MAX_READ_MEMORY=0\n").unwrap();
    let refused = Launch::su(folder.path()).run();
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("MAX_READ_MEMORY"), "{}", refused.stderr);
    // The environment goes before the file, and a flag before both.
    Launch::su(folder.path()).set("MAX_READ_MEMORY", "1000000").serve().stop();
}

#[tokio::test]
async fn an_admin_listener_with_a_token_asks_for_it() {
    let folder = folder();
    let token = "a token that is hard to guess";
    let node = Launch::su(folder.path()).set("ADMIN_LISTEN", "0.0.0.0:0").set("ADMIN_TOKEN", token).serve();
    let admin = node.admin();
    assert_eq!(admin.get("/status").await.refusal(401), "forbidden");
    // It knows no block height, and needs no token to say so.
    assert_eq!(admin.get("/health").await.refusal(503), "unavailable");
    for (given, status) in [(token, 200), ("another", 401)] {
        let request = admin.request(reqwest::Method::GET, "/status").bearer_auth(given);
        assert_eq!(admin.send(request).await.unwrap().status, status, "{given}");
    }
    assert!(!node.stop().stderr.contains(token), "the token is in the log");
}
