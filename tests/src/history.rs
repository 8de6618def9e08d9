//! Reading the whole schedule of a process.

use ans104::Id;

use crate::answer::Edge;
use crate::client::Client;

/// Everything that a process has, page by page.
///
/// # Panics
/// When a page is empty although there should be more.
pub async fn read_history(client: &Client, process: Id, limit: u32) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    let mut from = "-1".to_owned();
    loop {
        let page = client.page(process, &format!("limit={limit}&from-nonce={from}")).await;
        assert!(page.edges.len() <= limit as usize, "a page is longer than was asked for");
        if let Some(last) = page.edges.last() {
            from.clone_from(&last.cursor);
        }
        let is_empty = page.edges.is_empty();
        edges.extend(page.edges);
        if !page.page_info.has_next_page {
            return edges;
        }
        assert!(!is_empty, "an empty page of {process} says that there is more");
    }
}
