//! Real answers to nodes that follow, and of nodes that keep a log together, held against the description that a node gives of itself.

use std::collections::BTreeSet;

use reqwest::Method;

use crate::described::Listener;
use crate::members::{cluster, id_of, member, operator, schedules};

/// The id of nothing, and the digest of no events.
const NOBODY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What only nodes that keep a log together answer with success: two of them, of which the second takes over.
pub async fn kept_together() -> BTreeSet<String> {
    const ACKS: &str = "/replication/v1/acks";
    const PROMISES: &str = "/replication/v1/promises";
    const EVENTS: &str = "/replication/v1/events";
    let cluster = cluster(2, 1).await;
    let [one, other] = &cluster.nodes[..] else { panic!("two nodes") };
    let (first, second) = (member(one).await, member(other).await);
    let (to, term) = (id_of(&second), &first["term"]);
    let mut admin = Listener::of(operator(one), None).await;
    admin.get("/members", "/members", 200).await;
    let confirm = format!("POST {ACKS}");
    admin.ask(&confirm, &format!("{ACKS}?node={to}&term={term}&events=0"), None, 200).await;
    admin.ask(&confirm, &format!("{ACKS}?node={to}&events=0"), None, 400).await;
    let wanted = format!("{PROMISES}?term=0&candidate={to}&events=0&digest={NOBODY}");
    admin.ask(&format!("POST {PROMISES}"), &wanted, None, 200).await;
    let nobody = "00000000-0000-4000-8000-000000000007";
    admin.ask("POST /handover", &format!("/handover?to={nobody}"), None, 409).await;
    admin.ask("POST /handover", &format!("/handover?to={to}"), None, 200).await;
    schedules(other).await;
    let term = member(other).await["term"].clone();
    let lacks = |of: &str| format!("{EVENTS}?term={term}&candidate={of}&from=0&digest={NOBODY}");
    admin.get(&lacks(&to), EVENTS, 200).await;
    admin.get(&lacks(nobody), EVENTS, 409).await;
    admin.ask("POST /handover", &format!("/handover?to={to}"), None, 409).await;
    admin.ask("POST /promote", "/promote?accept_loss=x", None, 400).await;
    admin.ask("POST /promote", "/promote", None, 200).await;
    schedules(one).await;
    admin.ask("POST /members", "/members", None, 400).await;
    admin.ask("POST /members", &format!("/members?remove={to}"), None, 200).await;
    let answered = admin.answered;
    for node in cluster.nodes {
        node.stop();
    }
    answered
}

/// The log as a standby is sent it, from its beginning.
pub async fn shipped(admin: &mut Listener) {
    const STREAM: &str = "/replication/v1/stream";
    let asked = |digest: &str| {
        format!("{STREAM}?from=0&term=1&digest={digest}&node=00000000-0000-4000-8000-000000000007")
    };
    let request = admin.client.request(Method::GET, &asked(NOBODY));
    // Each frame begins with its length, of which the first byte is 0.
    let answer = admin.client.send_until(request, &[0]).await.unwrap();
    admin.hold(&format!("GET {STREAM}"), &answer, 200);
    admin.get(&asked("x"), STREAM, 400).await;
}
