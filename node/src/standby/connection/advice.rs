//! What an operator can do about a leader that refuses.

use reqwest::{StatusCode, Url};

/// What every node answers on its admin listener, and on no other.
const STREAM: &str = "/replication/v1/stream";

/// Why this was refused, and what helps.
pub(super) fn explained(status: StatusCode, url: &Url, reason: Option<String>) -> String {
    let is_node = reason.is_some();
    let reason = reason.unwrap_or_else(|| "no reason".to_owned());
    match status {
        StatusCode::UNAUTHORIZED => format!(
            "{reason}; the token here is that of REPLICATE_TOKEN_FILE (--replicate-token-file) or REPLICATE_TOKEN \
             (--replicate-token)"
        ),
        StatusCode::NOT_FOUND if url.path().ends_with(STREAM) => {
            let what =
                if is_node { "the public listener of a node" } else { "not the admin listener of a node" };
            let next = url.port_or_known_default().and_then(|port| port.checked_add(1));
            let next = next.map_or(String::new(), |port| format!(", {port}"));
            format!(
                "{reason}; this is {what}: REPLICATE_FROM (--from) takes the URL of its admin listener, which is by \
                 default on the next port{next}"
            )
        }
        StatusCode::CONFLICT if url.path().ends_with(STREAM) => format!(
            "{reason}; `quipu divergence` lists what is here and not there, `quipu rejoin` sets it aside and follows again"
        ),
        StatusCode::GONE if url.path().ends_with(STREAM) => {
            format!("{reason}; if it stays so, `quipu divergence` tells whether the logs part")
        }
        StatusCode::PRECONDITION_FAILED if url.path().ends_with(STREAM) => format!(
            "{reason}; REPLICATE_FROM (--from) takes the node that leads, which `quipu status` of each node tells"
        ),
        _ => reason,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_wrong_setting_is_told_with_the_right_one() {
        let stream = Url::parse("http://user:hush@10.0.0.5:9000/replication/v1/stream?from=0").unwrap();
        let file = Url::parse("http://10.0.0.5:9001/replication/v1/checkpoints/1/files/2").unwrap();
        let no = || Some("no".to_owned());
        for (status, url, reason, told) in [
            (StatusCode::UNAUTHORIZED, &stream, no(), "no; the token here is that of REPLICATE_TOKEN_FILE"),
            (StatusCode::NOT_FOUND, &stream, no(), "no; this is the public listener of a node: "),
            (StatusCode::NOT_FOUND, &stream, no(), "next port, 9001"),
            (StatusCode::NOT_FOUND, &stream, None, "this is not the admin listener of a node: "),
        ] {
            let text = explained(status, url, reason);
            assert!(text.contains(told) && !text.contains("hush"), "{text}");
        }
        assert_eq!(explained(StatusCode::NOT_FOUND, &file, no()), "no");
        for (status, told) in [
            (StatusCode::CONFLICT, "no; `quipu divergence` lists"),
            (StatusCode::CONFLICT, "`quipu rejoin` sets it aside"),
            (StatusCode::GONE, "no; if it stays so, `quipu divergence`"),
            (StatusCode::PRECONDITION_FAILED, "no; REPLICATE_FROM (--from) takes the node that leads"),
        ] {
            let text = explained(status, &stream, no());
            assert!(text.contains(told), "{text}");
        }
        assert_eq!(explained(StatusCode::SERVICE_UNAVAILABLE, &stream, None), "no reason");
    }
}
