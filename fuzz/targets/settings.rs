//! Any text as a settings file: each line is read or refused, and what is refused is not shown, for it may be secret.

#![no_main]

use endpoints::{parse_host_list, parse_url, parse_url_list};
use libfuzzer_sys::fuzz_target;

#[path = "../../projections/src/postgres/database_url.rs"]
mod database_url;
#[path = "../../gateway/src/endpoints.rs"]
mod endpoints;
#[path = "../../quipu/src/settings/existing.rs"]
mod existing;

fuzz_target!(|text: &str| {
    for line in dotenvy::from_read_iter(text.as_bytes()) {
        let Ok((name, value)) = line else { break };
        check(&name, &value);
        check_addresses(&value);
    }
});

/// A variable of the existing scheduler is refused by its own name, or there is a reason why it is not missed.
fn check(name: &str, value: &str) {
    for command in ["su", "router"] {
        match existing::heed_existing(command, name, value.as_ref()) {
            Some(Ok(reason)) => assert!(!reason.is_empty()),
            Some(Err(refused)) => assert!(refused.to_string().starts_with(name)),
            None => assert!(!existing::is_everywhere(name)),
        }
    }
}

/// What is read as addresses is read back from their own form.
fn check_addresses(value: &str) {
    if let Ok(url) = parse_url("A", value) {
        assert_eq!(parse_url("A", url.as_str()).ok(), Some(url));
    }
    if let Ok(list) = parse_url_list("A", value) {
        assert!(list.iter().all(|url| matches!(url.scheme(), "http" | "https")));
    }
    if let Ok(hosts) = parse_host_list("A", value) {
        assert_eq!(parse_host_list("A", &hosts.join(",")).ok(), Some(hosts));
    }
    if let Err(error) = database_url::DatabaseUrl::parse("A", value) {
        let told = error.to_string();
        assert!(told.starts_with("A: ") && told.len() < 1000 + value.len());
    }
}
