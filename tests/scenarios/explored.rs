//! Real answers of the calls to look at schedules with, and at what a node did lately, held against the description that the node gives of itself.

use crate::described::{Listener, World};

/// The id of nothing.
const NOBODY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

pub async fn explored(public: &mut Listener, world: &World) {
    let World { process, message, assigned, unassigned, .. } = world;
    for id in
        [process.to_string(), message.to_string(), assigned.clone(), unassigned.to_string(), NOBODY.into()]
    {
        public.get(&format!("/explore/v1/ids/{id}"), "/explore/v1/ids/{id}", 200).await;
    }
    public.get("/explore/v1/ids/abc", "/explore/v1/ids/{id}", 400).await;
    for process in [process, unassigned] {
        let (rows, chain) = ("/explore/v1/processes/{process}", "/explore/v1/processes/{process}/chain");
        public.get(&format!("/explore/v1/processes/{process}"), rows, 200).await;
        public.get(&format!("/explore/v1/processes/{process}?limit=0"), rows, 400).await;
        public.get(&format!("/explore/v1/processes/{process}/chain"), chain, 200).await;
    }
    public.get(&format!("/explore/v1/processes/{NOBODY}"), "/explore/v1/processes/{process}", 404).await;
    let bytes = "/explore/v1/items/{id}/bytes";
    public.get(&format!("/explore/v1/items/{message}/bytes"), bytes, 200).await;
    public.get(&format!("/explore/v1/items/{assigned}/bytes?part=item"), bytes, 404).await;
    public.get(&format!("/explore/v1/items/{message}/bytes?part=x"), bytes, 400).await;
}

pub async fn lately(admin: &mut Listener) {
    for path in ["/uploads/stuck", "/series", "/history", "/processes/busy"] {
        admin.get(path, path, 200).await;
    }
    admin.get("/series?step=moment", "/series", 200).await;
    admin.get("/series?step=day", "/series", 400).await;
    admin.get("/history?since=1", "/history", 200).await;
    admin.get("/history?since=x", "/history", 400).await;
}
