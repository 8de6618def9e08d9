//! What is asked for how, and what is no scheduler.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;

#[test]
fn urls_that_are_no_scheduler_are_refused() {
    for url in ["", "localhost:9000", "127.0.0.1:9001", "ftp://host", "http://"] {
        let told = SchedulerClient::new(url).unwrap_err();
        assert!(matches!(told, ClientError::Url { .. }) && told.to_string().ends_with(URL_FORM), "{told}");
    }
    for url in ["http://host/?x=1", "http://host/#x"] {
        assert!(matches!(SchedulerClient::new(url), Err(ClientError::Url { .. })), "{url}");
    }
    assert_eq!(SchedulerClient::new("http://host:1/").unwrap().url(), "http://host:1");
    assert_eq!(SchedulerClient::new("https://host/su").unwrap().url(), "https://host/su");
}

#[test]
fn the_last_cursor_is_at_the_end_of_a_page() {
    for (end, expected) in [
        (r#"x"},"cursor":"41"},{"node":{},"cursor":"42"}]}"#, Some(42)),
        (r#""cursor": "7" } ], "page_info": {"has_next_page": false}}"#, Some(7)),
        (r#"{"page_info":{"has_next_page":false},"edges":[]}"#, None),
        (r#""cursor":"1"#, None),
        (r#""cursor":"x"}"#, None),
    ] {
        assert_eq!(last_cursor(end).map(Nonce::get), expected, "{end}");
    }
}

#[test]
fn pages_are_asked_for_by_nonce() {
    let scheduler = SchedulerClient::new("http://h").unwrap();
    let process = ProcessId::NODE;
    let url = scheduler.page_url(process, Range { limit: 5, ..Range::default() });
    assert_eq!(url, format!("http://h/{process}?process-id={process}&from-nonce=-1&limit=5"));
    let range = Range { after: Some(Nonce::new(3)), to: Some(Nonce::new(9)), limit: 1, show_anchor: true };
    let url = scheduler.page_url(process, range);
    assert!(url.ends_with("&from-nonce=3&limit=1&to-nonce=9&show-anchor=true"), "{url}");
}
