//! Real answers of the calls to look at schedules with, and at what a node did lately, held against the description that the node gives of itself.

use crate::described::{Listener, World};

/// The id of nothing.
const NOBODY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// At either listener: the operators' has the calls below a path of their own.
pub async fn explored(listener: &mut Listener, world: &World, below: &str) {
    let World { process, message, assigned, unassigned, .. } = world;
    let calls = format!("{below}/explore/v1");
    let (of_ids, of_bytes) = (format!("{calls}/ids/{{id}}"), format!("{calls}/items/{{id}}/bytes"));
    for id in
        [process.to_string(), message.to_string(), assigned.clone(), unassigned.to_string(), NOBODY.into()]
    {
        listener.get(&format!("{calls}/ids/{id}"), &of_ids, 200).await;
    }
    listener.get(&format!("{calls}/ids/abc"), &of_ids, 400).await;
    let (rows, chain) =
        (format!("{calls}/processes/{{process}}"), format!("{calls}/processes/{{process}}/chain"));
    for process in [process, unassigned] {
        listener.get(&format!("{calls}/processes/{process}"), &rows, 200).await;
        listener.get(&format!("{calls}/processes/{process}?limit=501"), &rows, 400).await;
        listener.get(&format!("{calls}/processes/{process}/chain"), &chain, 200).await;
    }
    listener.get(&format!("{calls}/processes/{NOBODY}"), &rows, 404).await;
    listener.get(&format!("{calls}/items/{message}/bytes"), &of_bytes, 200).await;
    listener.get(&format!("{calls}/items/{assigned}/bytes?part=item"), &of_bytes, 404).await;
    listener.get(&format!("{calls}/items/{message}/bytes?part=x"), &of_bytes, 400).await;
}

pub async fn lately(admin: &mut Listener) {
    for path in [
        "/uploads/stuck",
        "/series",
        "/history",
        "/processes/busy",
        "/overview",
        "/public",
        "/public/timestamp",
    ] {
        admin.get(path, path, 200).await;
    }
    admin.get("/series?step=moment", "/series", 200).await;
    admin.get("/series?step=day", "/series", 400).await;
    admin.get("/overview?minutes=true", "/overview", 200).await;
    admin.get("/overview?minutes=1", "/overview", 400).await;
    admin.get("/history?since=1", "/history", 200).await;
    admin.get("/history?since=x", "/history", 400).await;
}
