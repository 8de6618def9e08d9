//! Settings that no node can run with: each is refused, and the error names it.

use std::fs;

use quipu_tests::Launch;

use crate::folder;

/// A setting, a value that it cannot have, and what the error must say besides its name.
const WRONG: &[(&str, &str, &str)] = &[
    ("SU_WALLET_PATH", "no/such/wallet.json", "no/such/wallet.json"),
    ("SU_WALLET_PATH", "garbage.json", "garbage.json"),
    ("ARWEAVE_URL", "not a url", "http(s)://"),
    ("ARWEAVE_URL", "ftp://example.org", "ftp"),
    ("GRAPHQL_URL", "", "empty"),
    ("UPLOAD_NODE_URL", "http://", "http(s)://"),
    ("CACHE_URL", "cache.example", "http(s)://"),
    ("GATEWAY_URL", "http://example.org/?query", "query"),
    ("ARWEAVE_URL_LIST", "http://127.0.0.1:1,nonsense", "entry 2"),
    ("ADMIN_LISTEN", "0.0.0.0:0", "ADMIN_TOKEN"),
    ("ADMIN_LISTEN", "somewhere", "somewhere"),
    ("ENABLE_METRICS", "maybe", "maybe"),
    ("ENABLE_PROCESS_ASSIGNMENT", "yes", "yes"),
    ("ENABLE_DEEP_HASH_CHECKS", "", "true"),
    ("MAX_READ_MEMORY", "0", "bytes"),
    ("MAX_READ_MEMORY", "-1", "-1"),
    ("PROCESS_CACHE_SIZE", "0", "processes"),
    ("PROCESS_CACHE_SIZE", "many", "many"),
    ("RUST_LOG", "scheduler=loud", "trace"),
    ("LOG_FORMAT", "xml", "json"),
];

#[test]
fn a_wrong_setting_is_named_at_start_up() {
    for (name, value, also) in WRONG {
        let folder = folder();
        fs::write(folder.path().join("garbage.json"), "{\"kty\":\"RSA\"}").unwrap();
        let refused = Launch::su(folder.path()).set(name, value).run();
        let told = &refused.stderr;
        assert!(matches!(refused.code, Some(1 | 2)), "{name}={value}: {:?} {told}", refused.code);
        // The command line's own errors name the flag, which is the variable in lower case.
        let flag = format!("--{}", name.to_lowercase().replace('_', "-"));
        assert!(told.contains(name) || told.contains(&flag), "{name}={value} is not named: {told}");
        assert!(told.contains(also), "{name}={value}: {also:?} is not said: {told}");
        assert!(!told.contains("panicked"), "{name}={value}: {told}");
        assert!(!folder.path().join("data").exists(), "{name}={value} left something behind");
    }
}

#[test]
fn settings_are_read_from_the_file_beside_the_node() {
    let folder = folder();
    fs::write(folder.path().join(".env"), "MAX_READ_MEMORY=0\n").unwrap();
    let refused = Launch::su(folder.path()).run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
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
    assert_eq!(admin.get("/health").await.status, 200);
    for (given, status) in [(token, 200), ("another", 401)] {
        let request = admin.request(reqwest::Method::GET, "/status").bearer_auth(given);
        assert_eq!(admin.send(request).await.unwrap().status, status, "{given}");
    }
    assert!(!node.stop().stderr.contains(token), "the token is in the log");
}
