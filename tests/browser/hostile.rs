//! What pages make of those who mean them ill: a scheduler that lies, hangs or has no end behind `quipu ui`, pages of other
//! origins, and links that were made up.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quipu_tests::{Gateway, Launch, PATIENCE, Program, ToldServer, User};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::chromium::{Browser, Tab};
use crate::explorer::{go, lines, open, process};
use crate::node::{DESK, check_page, folder};

const ID: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const OTHER: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";
const MEBIBYTE: usize = 1 << 20;

/// `quipu ui` in front of this scheduler, and where it is.
pub fn pages(folder: &std::path::Path, scheduler: &str) -> (Program, String) {
    let pages = Launch::command(folder, &["ui", "0", "--url", scheduler]).program();
    let said = |text: &str| text.split_once("/ui/ shows ").map(|(url, _)| url.to_owned());
    let url = pages.stdout().find(PATIENCE, said).expect("it says where it is");
    (pages, url)
}

/// What the screen of a process shows when a scheduler answers so.
fn shown(tab: &Tab<'_>, scheduler: &ToldServer, body: &str) -> String {
    scheduler.answer(200, &[("content-type", "text/html")], body);
    go(tab, "#/");
    go(tab, &format!("#/process/{ID}"));
    tab.text("#content")
}

fn row() -> Value {
    json!({ "nonce": 0, "sequence": 0, "kind": "scheduled", "message": ID, "assignment": ID, "timestamp": 1,
        "block_height": 1, "hash_chain": ID, "owner": ID, "action": null, "size": 1, "imported": false, "upload": null })
}

fn told(rows: &[Value]) -> Value {
    // It knows the calls of the pages.
    json!({ "process": ID, "newest": 0, "entries": rows, "next": null, "address": ID, "timestamp": "1", "places": [] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduler_that_lies_is_no_answer_and_no_page() {
    let (folder, scheduler, browser) = (folder(), ToldServer::start(), Browser::start());
    let (mut pages, url) = pages(folder.path(), &scheduler.url());
    scheduler.answer(200, &[], &told(&[]).to_string());
    let tab = open(&browser, &url, "#/", DESK);
    let good = shown(&tab, &scheduler, &told(&[row()]).to_string());
    assert!(good.contains("Newest nonce") && good.contains("message"), "{good}");
    let with = |name: &str, value: Value| {
        let mut row = row();
        row[name] = value;
        told(&[row])
    };
    let lies = [
        json!(null),
        json!([]),
        json!("text"),
        json!({}),
        json!({ "process": ID, "newest": "0", "entries": [], "next": null }),
        json!({ "process": format!("B{}", &ID[1..]), "newest": 0, "entries": [], "next": null }),
        json!({ "process": ID, "newest": 0, "entries": vec![row(); 101], "next": null }),
        told(&[json!(null)]),
        with("nonce", json!("0")),
        with("nonce", json!(1.5)),
        with("message", json!(["..", "..", "status"].join("/"))),
        with("message", json!("javascript:alert(1)")),
        with("message", json!([ID])),
        with("owner", json!({ "toString": 1 })),
        with("action", json!(["x"])),
    ];
    for lie in lies {
        let shown = shown(&tab, &scheduler, &lie.to_string());
        assert!(
            shown.starts_with("No answer: what it tells is not what a scheduler tells"),
            "{lie}: {shown}"
        );
    }
    let text = shown(&tab, &scheduler, "<script>document.title = 'taken'</script>");
    assert!(text.starts_with("No answer: ") && text.contains("not understood"), "{text}");
    // A chain that leads nowhere has an end.
    scheduler.answer(200, &[], &told(&[row()]).to_string());
    go(&tab, "#/");
    go(&tab, &format!("#/process/{ID}"));
    scheduler.answer(200, &[], &json!({ "links": [], "next": 0 }).to_string());
    tab.eval("document.querySelector('[data-verify]').click()");
    tab.until("document.querySelector('#chain-said').innerText.startsWith('No answer: ')");
    check_page(&tab, &url);

    // Whoever opens what it sends by itself gets no page of this origin.
    let script = "<script>document.title = 'taken'; localStorage.setItem('quipu.seen.x', 'y')</script>";
    scheduler.answer(200, &[("content-type", "text/html")], script);
    for path in [format!("/explore/v1/ids/{ID}"), "/".to_owned(), "/timestamp".to_owned()] {
        tab.call("Page.navigate", &json!({ "url": format!("{url}{path}") }));
        tab.until("document.readyState === 'complete' && document.body.innerText.includes('<script>')");
        assert_ne!(tab.eval("document.title"), "taken", "{path}");
    }
    let tab = open(&browser, &url, "#/", DESK);
    assert_eq!(tab.eval("localStorage.getItem('quipu.seen.x')"), Value::Null);
    pages.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_about_another_id_is_none() {
    let (folder, scheduler, browser) = (folder(), ToldServer::start(), Browser::start());
    let (mut pages, url) = pages(folder.path(), &scheduler.url());
    scheduler.answer(200, &[], &told(&[]).to_string());
    let tab = open(&browser, &url, "#/", DESK);
    for (role, process, message, assignment, is_it) in [
        ("message", OTHER, ID, OTHER, true),
        ("message", ID, OTHER, ID, false),
        ("transaction", ID, OTHER, ID, false),
        ("assignment", ID, ID, OTHER, false),
        ("process", OTHER, ID, ID, false),
        ("constructor", ID, ID, ID, false),
    ] {
        let mut entry = row();
        (entry["message"], entry["assignment"]) = (message.into(), assignment.into());
        let place = json!({ "role": role, "process": process, "entry": entry });
        let told = json!({ "is_scheduler": false, "places": [place], "has_more": false, "position": 1, "address": ID, "timestamp": "1" });
        scheduler.answer(200, &[], &told.to_string());
        go(&tab, "#/");
        go(&tab, &format!("#/find/{ID}"));
        let shown = tab.text("#content");
        assert_eq!(
            shown.starts_with("No answer: what it tells is not what a scheduler tells"),
            !is_it,
            "{role}: {shown}"
        );
    }
    pages.kill();
}

/// A scheduler whose answers to `/endless` paths have no end, and that never answers others; how much was taken from it.
async fn endless(ends: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (url, taken) = (format!("http://{}", listener.local_addr().unwrap()), Arc::<AtomicUsize>::default());
    let sent = taken.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(send(stream, sent.clone(), ends));
        }
    });
    (url, taken)
}

async fn send(mut stream: TcpStream, sent: Arc<AtomicUsize>, ends: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    if head.contains(&format!("/ids/{ID}")) {
        // Asked whether it knows the calls of the pages.
        let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 13\r\n\r\n{\"places\":[]}";
        return stream.write_all(answer).await;
    }
    if !head.contains(ends) {
        // It stays open, and nothing comes.
        stream.read_u8().await?;
        return Ok(());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await?;
    let piece = vec![b' '; 64 << 10];
    loop {
        stream.write_all(&piece).await?;
        sent.fetch_add(piece.len(), Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduler_without_an_end_or_an_answer_takes_neither_memory_nor_the_page() {
    let (folder, browser) = (folder(), Browser::start());
    let (scheduler, taken) = endless("/processes/").await;
    let (mut pages, url) = pages(folder.path(), &scheduler);
    let tab = browser.open(&format!("{url}/ui/#/process/{ID}"), DESK);
    // A slow machine takes it in more than the ten seconds that a page waits: it is asked again then.
    let said = "document.querySelector('#content')?.innerText.includes('more than 32 MiB')";
    tab.until(&format!("{said} || document.querySelector('#content')?.innerText.includes('in time')"));
    tab.until(said);
    let sent = taken.load(Ordering::SeqCst);
    assert!(sent < 128 * MEBIBYTE, "{} MiB were taken", sent / MEBIBYTE);
    let memory = pages.peak_memory().expect("it runs");
    assert!(memory < 96 * MEBIBYTE, "{} MiB", memory / MEBIBYTE);
    // Nothing comes at all: the page says so, and goes on.
    go(&tab, &format!("#/find/{OTHER}"));
    assert_eq!(tab.text("#content"), "No answer: it does not answer in time.");
    check_page(&tab, &url);
    pages.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_origin_drives_and_reads_nothing() {
    let (folder, gateway, elsewhere) = (folder(), Gateway::start(), ToldServer::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (mut pages, own) = pages(folder.path(), &node.url());
    elsewhere.answer(
        200,
        &[("content-type", "text/html")],
        "<!doctype html><title>elsewhere</title><p>a page",
    );
    let browser = Browser::start();
    let port = elsewhere.url().rsplit_once(':').unwrap().1.to_owned();
    // One that the browser takes for another site, and one that it takes for the same.
    for origin in [format!("http://plain.example:{port}"), elsewhere.url()] {
        let tab = browser.open(&origin, DESK);
        tab.until("document.title === 'elsewhere'");
        let ask = |url: &str, options: &Value| {
            tab.eval(&format!(
                "fetch('{url}', {options}).then(async (answer) => `${{answer.type}} ${{answer.status}} ${{await answer.text()}}`,
                    () => 'refused')"
            ))
        };
        let job = json!({ "method": "POST", "mode": "no-cors", "body": "{\"projection\":\"index\"}" });
        assert_eq!(ask(&format!("{}/jobs", node.admin_url()), &job), "opaque 0 ", "{origin}");
        let with_token =
            json!({ "method": "POST", "headers": { "authorization": format!("Bearer {}", node.token()) } });
        for (url, options) in [
            (format!("{}/status", node.admin_url()), json!({})),
            (format!("{}/public/", node.admin_url()), json!({})),
            (format!("{}/jobs", node.admin_url()), with_token),
            (format!("{own}/"), json!({})),
            (format!("{own}/ui/explorer.js"), json!({})),
        ] {
            assert_eq!(ask(&url, &options), "refused", "{origin}: {url}");
        }
        // No page is shown within another one, where somebody would press what they do not see.
        for url in [format!("{}/ui/", node.url()), format!("{}/ui/", node.admin_url()), format!("{own}/ui/")]
        {
            let frame = format!(
                "new Promise((done) => {{
                    const frame = document.createElement('iframe');
                    frame.addEventListener('load', () => done(true));
                    frame.src = '{url}';
                    document.body.append(frame);
                }})"
            );
            tab.eval(&frame);
        }
        let blocked = tab.events("Log.entryAdded").into_iter().filter(|event| {
            event["entry"]["text"].as_str().is_some_and(|text| text.contains("frame-ancestors"))
        });
        // The listener for operators answers no page at all to another origin.
        assert!(blocked.count() >= 2, "{:?}", tab.events("Log.entryAdded"));
    }
    let jobs: Value = node.admin().get("/jobs").await.json();
    assert_eq!(jobs, json!([]), "a page elsewhere changed something");
    pages.kill();
    node.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_say_nothing_of_their_own_and_lists_do_not_hide_what_was_signed() {
    let (folder, gateway, browser) = (folder(), Gateway::start(), Browser::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user) = (node.client(), User::new(1));
    let process = process(&client, &user).await.id;
    for data in [&b"one"[..], &[b"[".repeat(32_000), b"]".repeat(32_000)].concat()] {
        client.schedule(&user.message(process, data)).await;
    }
    let words = "Call%20the%20bank%20now";
    let tab = open(&browser, &node.url(), &format!("#/entry/{process}/1?assignment={words}"), DESK);
    let shown = tab.text("#rewritten");
    assert!(shown.contains("damaged") && !tab.text("body").contains("Call the bank"), "{shown}");
    go(&tab, &format!("#/find/{}", words.repeat(20)));
    assert!(tab.text("#content").len() < 250, "{}", tab.text("#content"));
    for odd in [
        "#/process",
        "#/process/",
        "#/entry/x/1",
        "#/entry",
        "#/find/%zz",
        "#/constructor/x",
        "#//",
        "#/process/x?before=1",
    ] {
        go(&tab, odd);
        assert!(tab.text("#content").contains("Address"), "{odd}: {}", tab.text("#content"));
    }
    go(&tab, &format!("#/process/{process}?before=javascript:1"));
    assert_eq!(tab.eval("document.querySelectorAll('#schedule tbody tr').length"), 3);

    // What is copied from the address remembers what was seen.
    go(&tab, &format!("#/entry/{process}/1"));
    let address = tab.eval("location.hash");
    let address = address.as_str().unwrap();
    assert!(address.contains("?assignment=") && address.contains("&chain="), "{address}");
    // A list may tell everybody what they saw before; the bytes are another matter.
    let differs = "(async () => {
        const { bytes, rows } = await import('./calls.js');
        const { linkDiffers } = await import('./history.js');
        const { entries: [other, row] } = await rows('PROCESS', 3, 2);
        const given = new URLSearchParams({ assignment: row.assignment, chain: row.hash_chain });
        const signed = (of) => bytes(of.assignment, 'assignment', 'PROCESS');
        return [await linkDiffers(given, row, await signed(row)), await linkDiffers(given, row, await signed(other)),
            await linkDiffers(given, row, new Uint8Array(9))];
    })()";
    let found = tab.eval(&differs.replace("PROCESS", &process.to_string()));
    assert_eq!(found[0], Value::Null, "{found}");
    assert!(found[1].as_str().is_some_and(|text| text.contains("rewritten")), "{found}");
    assert!(found[2].as_str().is_some_and(|text| text.contains("cannot be read")), "{found}");

    // What is long on lines of its own, as brackets in brackets are, is not laid out: a browser would stand still.
    go(&tab, &format!("#/entry/{process}/2"));
    let ways = tab.eval("[...document.querySelectorAll('#item button')].map((way) => way.innerText)");
    let ways: Vec<_> = ways.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(ways.contains(&"Text") && !ways.contains(&"JSON"), "{ways:?}");
    tab.eval("document.querySelector('[data-verify]').click()");
    assert!(lines(&tab).iter().all(|line| line.contains("yes")), "{:?}", lines(&tab));
    // What cannot be seen is shown, whatever it is called.
    let plain = tab.eval("import('./el.js').then(({ plain }) => plain('a\\u00ad\\u180e\\u115f\\u{e0041}\\ufff9\\ud800\\u2062 \\t\\n❤\\ufe0f'))");
    assert_eq!(plain, "a⟨U+00AD⟩⟨U+180E⟩⟨U+115F⟩⟨U+E0041⟩⟨U+FFF9⟩⟨U+D800⟩⟨U+2062⟩ \t\n❤\u{fe0f}");
    // Nobody's text takes more than its room.
    let long = tab.eval("import('./el.js').then(({ plain }) => plain('x'.repeat(9 << 20)))");
    let long = long.as_str().unwrap();
    assert!(long.len() < 66_000 && long.ends_with("more characters are not shown)"), "{}", long.len());
    check_page(&tab, &node.url());
    node.stop();
}

#[tokio::test]
async fn tags_without_an_end_are_not_read() {
    let (folder, browser) = (folder(), Browser::start());
    let node = Launch::su(folder.path()).serve();
    let tab = open(&browser, &node.url(), "#/", DESK);
    // They come in one go, and a page would stand still.
    let many = "import('./item.js').then(({ parse, NoItem }) => {
        const bytes = new Uint8Array(2 + 64 + 32 + 2 + 16 + (2 << 20));
        bytes[0] = 2;
        new DataView(bytes.buffer).setBigUint64(108, BigInt(2 << 20), true);
        try { parse(bytes); return null; } catch (error) { return error instanceof NoItem ? error.message : String(error); }
    })";
    assert!(
        tab.eval(many).as_str().is_some_and(|text| text.contains("at most 1048576")),
        "{}",
        tab.eval(many)
    );
    node.stop();
}
