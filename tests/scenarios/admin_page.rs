//! The page on the admin listener, as it is sent: a browser is not needed to see who gets it and under which policy.

use quipu_tests::{Client, Launch};
use reqwest::Method;

use crate::folder;

const FILES: [(&str, &str); 8] = [
    ("/", "text/html"),
    ("/ui/style.css", "text/css"),
    ("/ui/icon.svg", "image/svg+xml"),
    ("/ui/el.js", "text/javascript"),
    ("/ui/feed.js", "text/javascript"),
    ("/ui/format.js", "text/javascript"),
    ("/ui/parts.js", "text/javascript"),
    ("/ui/node.js", "text/javascript"),
];

#[tokio::test]
async fn every_file_of_the_page_has_the_policy_and_needs_no_token() {
    let folder = folder();
    let node = Launch::su(folder.path()).set("ADMIN_TOKEN", "guess me not").serve();
    let client = Client::new(&node.admin_url());
    for (path, kind) in FILES {
        for method in [Method::GET, Method::HEAD] {
            let answer = client.send(client.request(method.clone(), path)).await.unwrap();
            assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
            assert!(answer.header("content-type").is_some_and(|found| found.starts_with(kind)), "{path}");
            let policy = answer.header("content-security-policy").unwrap_or_default();
            for part in
                ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "trusted-types 'none'"]
            {
                assert!(policy.contains(part), "{path}: {policy}");
            }
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(answer.body.is_empty(), method == Method::HEAD, "{method} {path}");
        }
    }
    assert_eq!(client.get("/status").await.refusal(401), "forbidden");
    assert_eq!(client.get("/ui/none.js").await.refusal(404), "not_found");
    assert_eq!(client.send(client.request(Method::POST, "/")).await.unwrap().refusal(404), "not_found");
}

#[tokio::test]
async fn the_explorer_is_public_unless_it_is_not_wanted() {
    for (ui, public, admin) in [("both", true, true), ("admin", false, true), ("none", false, false)] {
        let folder = folder();
        let node = Launch::su(folder.path()).set("UI", ui).serve();
        let client = node.client();
        for path in ["/ui/", "/ui/explorer.js", "/ui/noble.js"] {
            let answer = client.get(path).await;
            assert_eq!(answer.status == 200, public, "UI={ui}: {path}: {}", answer.status);
            let policy = answer.header("content-security-policy").unwrap_or_default();
            assert_eq!(policy.contains("default-src 'none'; script-src 'self';"), public, "{path}: {policy}");
        }
        if public {
            // Where a proxy has put it does not matter.
            let unfollowed =
                reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
            let answer = unfollowed.build().unwrap().get(format!("{}/ui", node.url())).send().await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()),
                (308, "ui/")
            );
        }
        assert_eq!(node.admin().get("/").await.status, if admin { 200 } else { 404 }, "UI={ui}");
        // Nothing else changes.
        assert_eq!(client.get("/ui").await.status, if public { 200 } else { 400 }, "UI={ui}");
        node.stop();
    }
}

#[tokio::test]
async fn a_page_elsewhere_does_not_get_it() {
    let folder = folder();
    let node = Launch::su(folder.path()).serve();
    let client = Client::new(&node.admin_url());
    for (header, value) in
        [("host", "node.example"), ("origin", "https://page.example"), ("sec-fetch-site", "cross-site")]
    {
        let request = client.request(Method::GET, "/").header(header, value);
        assert_eq!(client.send(request).await.unwrap().refusal(403), "forbidden", "{header}");
    }
    assert_eq!(client.get("/").await.status, 200);
}
