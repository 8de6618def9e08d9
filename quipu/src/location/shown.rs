//! A record as the node sees it, for a person.

use serde::Deserialize;

use super::PublicationSeen;
use crate::output::{TextTable, excerpt, time};

/// More is no line for a person.
pub(super) const LINE_CHARS: usize = 1_000;

/// What is known of the record, as the node tells it.
#[derive(Deserialize)]
pub(super) struct LocationSeen {
    url: String,
    wallet: String,
    publishes: bool,
    looked_ms: Option<u64>,
    until_ms: Option<u64>,
    trouble: Option<String>,
    gateways: Vec<GatewaySeen>,
    last: Option<PublicationSeen>,
    earlier: Vec<EarlierSeen>,
}

#[derive(Deserialize)]
struct EarlierSeen {
    wallet: String,
    trouble: Option<String>,
}

#[derive(Deserialize)]
struct GatewaySeen {
    gateway: String,
    trouble: Option<String>,
    newest: Option<RecordSeen>,
}

#[derive(Deserialize)]
struct RecordSeen {
    id: String,
    nonce: Option<u64>,
    height: Option<u64>,
}

pub(super) fn render(seen: &LocationSeen) -> String {
    let mut table = TextTable::default();
    let line = |text: &str| excerpt(text, LINE_CHARS);
    let moment = |ms: Option<u64>, none: &str| ms.map_or_else(|| none.to_owned(), time);
    table.heading("record");
    table.row("leads to", seen.url.as_str());
    table.row("of wallet", seen.wallet.as_str());
    table.row("published", if seen.publishes { "from here" } else { "by the router" });
    table.row("counts until", moment(seen.until_ms, "not known"));
    table.row("state", line(seen.trouble.as_deref().unwrap_or("as it should be")));
    let last = seen.last.as_ref().map_or_else(|| "nothing".to_owned(), PublicationSeen::line);
    table.row("published last", last);
    // What they told before it was published is no news of it.
    let is_before = seen.last.as_ref().is_some_and(|last| seen.looked_ms <= Some(last.published_ms));
    let before = if is_before && seen.looked_ms.is_some() { ", before that" } else { "" };
    table.heading(format!("gateways, asked {}{before}", moment(seen.looked_ms, "not yet")));
    for GatewaySeen { gateway, trouble, newest } in &seen.gateways {
        let found = match (trouble, newest) {
            (Some(trouble), _) => line(trouble),
            (None, None) => "nothing".to_owned(),
            (None, Some(RecordSeen { id, nonce, height })) => {
                let nonce = nonce.map_or_else(String::new, |nonce| format!(", nonce {nonce}"));
                let block = height
                    .map_or_else(|| ", in no block yet".to_owned(), |height| format!(", block {height}"));
                format!("{id}{nonce}{block}")
            }
        };
        table.row(gateway.as_str(), found);
    }
    if !seen.earlier.is_empty() {
        table.heading("wallets that signed before");
    }
    for EarlierSeen { wallet, trouble } in &seen.earlier {
        table.row(wallet.as_str(), line(trouble.as_deref().unwrap_or("as it should be")));
    }
    table.render()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use serde_json::json;

    use super::*;

    const LOOKED: u64 = 1_700_000_000_123;

    /// A record that was published so long after gateways were asked.
    fn shown(after_ms: u64, looked: Option<u64>) -> String {
        let told = json!({
            "url": "https://su.example", "wallet": "W", "publishes": true, "looked_ms": looked,
            "until_ms": null, "trouble": "no gateway has one", "last": {
                "nonce": 3, "id": "R", "url": "https://su.example", "published_ms": LOOKED - 5 + after_ms },
            "gateways": [
                { "gateway": "one.example", "answers": true, "trouble": "has no record", "newest": null },
                { "gateway": "odd.example", "answers": true, "trouble": "\u{1b}[2J\nok", "newest": null },
                { "gateway": "two.example", "answers": true, "trouble": null, "newest": {
                    "id": "R", "url": null, "variant": null, "time_to_live_ms": null, "nonce": 3, "height": null } },
            ],
            "earlier": [
                { "wallet": "one", "trouble": null }, { "wallet": "two", "trouble": "no gateway has a record of it" },
            ],
        });
        render(&serde_json::from_value(told).unwrap())
    }

    #[test]
    fn each_gateway_has_a_line() {
        let text = shown(0, Some(LOOKED));
        for line in [
            "counts until    not known",
            "one.example     has no record",
            "odd.example     \\u{1b}[2J\\nok",
            "two.example     R, nonce 3, in no block yet",
            "wallets that signed before",
            "one             as it should be",
            "two             no gateway has a record of it",
            "gateways, asked 2023-11-14T22:13:20.123Z\n",
        ] {
            assert!(text.contains(line), "no {line:?} in\n{text}");
        }
        assert!(shown(5, Some(LOOKED)).contains("gateways, asked 2023-11-14T22:13:20.123Z, before that\n"));
        assert!(shown(5, None).contains("gateways, asked not yet\n"));
    }
}
