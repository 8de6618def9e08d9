//! The page on the admin listener, as it is sent: a browser is not needed to see who gets it and under which policy.

use quipu_tests::{Client, Launch, OpenApiDescription, workspace};
use reqwest::Method;

use crate::folder;

/// All files of all pages, with what they are.
fn files() -> Vec<(String, &'static str)> {
    let folder = std::fs::read_dir(workspace().join("pages/assets/ui")).unwrap();
    let names = folder.map(|file| file.unwrap().file_name().into_string().unwrap());
    let kind = |name: &str| match name.rsplit_once('.').unwrap().1 {
        "css" => "text/css",
        "js" => "text/javascript",
        "svg" => "image/svg+xml",
        _ => panic!("{name} is no file of a page"),
    };
    let files: Vec<_> = names.map(|name| (format!("/ui/{name}"), kind(&name))).collect();
    assert!(files.len() > 20, "{files:?}");
    [("/ui/".to_owned(), "text/html")].into_iter().chain(files).collect()
}

#[tokio::test]
async fn every_file_of_the_page_has_the_policy_and_needs_no_token() {
    let folder = folder();
    let node = Launch::su(folder.path()).set("ADMIN_TOKEN", "guess me not").serve();
    let client = Client::new(&node.admin_url());
    let public = node.client();
    for (path, kind) in files() {
        for (client, method) in [(&client, Method::GET), (&client, Method::HEAD), (&public, Method::GET)] {
            let answer = client.send(client.request(method.clone(), &path)).await.unwrap();
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
    for path in ["/", "/ui/"] {
        assert_eq!(client.send(client.request(Method::POST, path)).await.unwrap().refusal(404), "not_found");
    }
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
                (307, "ui/")
            );
        }
        for path in ["/", "/ui/", "/ui/node.js", "/public/ui/", "/public/ui/explorer.js"] {
            assert_eq!(node.admin().get(path).await.status, if admin { 200 } else { 404 }, "UI={ui}: {path}");
        }
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

#[tokio::test]
async fn no_call_is_answered_to_a_page_elsewhere_or_changes_anything_without_the_token() {
    let folder = folder();
    let node = Launch::su(folder.path()).serve();
    let client = Client::new(&node.admin_url());
    let calls = OpenApiDescription::of(&client).await.calls();
    assert!(calls.len() > 25, "{calls:?}");
    for call in calls {
        let (method, path) = call.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let path = path.replace(['{', '}'], "");
        for (header, value) in [
            ("host", "node.example"),
            ("origin", "https://page.example"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let request = client.request(method.clone(), &path).header(header, value);
            // With the token, too, where the browser says that a page elsewhere asks.
            let request = if header == "host" { request } else { request.bearer_auth(node.token()) };
            let answer = client.send(request).await.unwrap();
            assert_eq!(answer.refusal(403), "forbidden", "{call}, {header}: {value}");
        }
        if method != Method::GET {
            let answer = client.send(client.request(method, &path)).await.unwrap();
            assert_eq!(answer.refusal(401), "forbidden", "{call}");
        }
    }
    node.stop();
}
