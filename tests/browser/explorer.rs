//! The explorer: what it finds, what it says of what is not there, and what it verifies.

use std::path::Path;
use std::process::Command;

use ans104::{Id, base64url};
use quipu_tests::{Client, Launch, PATIENCE, Signed, User, workspace};
use serde_json::{Value, json};

use crate::chromium::{Browser, Tab};
use crate::node::{DESK, PHONE, check_page};

const NOBODY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("the folder for temporary files can be written to")
}

/// Opens a screen of the explorer, and waits until it has what it asked for.
pub fn open<'a>(browser: &'a Browser, url: &str, screen: &str, width: u32) -> Tab<'a> {
    let tab = browser.open(&format!("{url}/ui/{screen}"), width);
    settle(&tab);
    tab
}

pub fn settle(tab: &Tab<'_>) {
    tab.until(
        "document.querySelector('#content')?.childElementCount > 0 && !document.querySelector('[aria-busy]')",
    );
}

/// Goes to another screen.
pub fn go(tab: &Tab<'_>, screen: &str) {
    tab.eval(&format!(
        "document.querySelector('#content').replaceChildren();
        if (location.hash === {0}) dispatchEvent(new HashChangeEvent('hashchange')); else location.hash = {0}",
        json!(screen)
    ));
    settle(tab);
}

/// A process that names the scheduler that signs for it, as some clients write the tag.
pub async fn process(client: &Client, user: &User) -> Signed {
    let scheduler = client.address().await;
    let tags = [("Type", "Process"), ("Module", NOBODY), ("scheduler", &*scheduler)];
    let process = user.item(None, &tags, b"a process");
    client.schedule(&process).await;
    process
}

pub fn lines(tab: &Tab<'_>) -> Vec<String> {
    tab.until("document.querySelector('#verified table, #verified .alarm')");
    let lines = tab.eval("[...document.querySelectorAll('#verified tbody tr')].map((row) => row.innerText)");
    lines.as_array().unwrap().iter().map(|line| line.as_str().unwrap().replace(['\n', '\t'], " ")).collect()
}

#[tokio::test]
async fn what_was_sent_is_found_and_what_was_not_is_said_to_be_not_here() {
    let folder = folder();
    let gateway = quipu_tests::Gateway::start();
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user, browser) = (node.client(), User::new(1), Browser::start());
    let url = node.url();
    let process = process(&client, &user).await;
    let tab = open(&browser, &url, "#/", PHONE);
    assert!(tab.text("#here").contains(&client.address().await), "{}", tab.text("#here"));
    check_page(&tab, &url);

    let message = user.message(process.id, b"{\"number\":12345678901234567890}");
    client.schedule(&message).await;
    tab.eval(&format!("document.querySelector('#find-field').value = '{}'", message.id));
    tab.eval("document.querySelector('#find').requestSubmit()");
    tab.until("document.querySelector('#found tbody')");
    let found = tab.text("#found");
    assert!(found.contains("Message") && found.contains("nonce 1"), "{found}");
    check_page(&tab, &url);
    go(&tab, &format!("#/find/{NOBODY}"));
    assert_eq!(tab.text("#not-here"), "Not here, as of event 2.");
    // What came meanwhile is found when it is asked for once more.
    let later = user.message(process.id, b"later");
    let find = || {
        tab.eval("document.querySelector('#content').replaceChildren()");
        tab.eval(&format!("document.querySelector('#find-field').value = '{}'", later.id));
        tab.eval("document.querySelector('#find').requestSubmit()");
    };
    find();
    tab.until("document.querySelector('#not-here')");
    settle(&tab);
    client.schedule(&later).await;
    find();
    tab.until("document.querySelector('#found tbody')");
    go(&tab, "#/find/%3Cimg%20src%3Dx%3E");
    assert!(tab.text("#found").contains("“<img src=x>” is no id"), "{}", tab.text("#found"));

    for width in [PHONE, DESK] {
        let tab = open(&browser, &url, &format!("#/process/{}", process.id), width);
        assert_eq!(tab.eval("document.querySelectorAll('#schedule tbody tr').length"), 3);
        check_page(&tab, &url);
        go(&tab, &format!("#/entry/{}/1", process.id));
        check_page(&tab, &url);
        // What is a number to nobody stays as it was written.
        tab.eval(
            "[...document.querySelectorAll('#item button')].find((way) => way.innerText === 'JSON').click()",
        );
        assert_eq!(tab.text("#data"), "{\n  \"number\": 12345678901234567890\n}");
        tab.eval("document.querySelector('[data-verify]').click()");
        let lines = lines(&tab);
        assert_eq!(lines.len(), 8, "{lines:?}");
        assert!(lines.iter().all(|line| line.contains("yes")), "{lines:#?}");
        check_page(&tab, &url);
    }
    node.stop();
    go(&tab, &format!("#/find/{}", message.id));
    assert!(tab.text("#content").starts_with("No answer: "), "{}", tab.text("#content"));
}

#[tokio::test]
async fn what_comes_is_offered_and_moves_nothing() {
    let folder = folder();
    let gateway = quipu_tests::Gateway::start();
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user, browser) = (node.client(), User::new(1), Browser::start());
    let process = process(&client, &user).await;
    let tab = open(&browser, &node.url(), &format!("#/process/{}", process.id), DESK);
    for number in 0..3 {
        client.schedule(&user.message(process.id, &[number])).await;
    }
    tab.until("document.querySelector('#new')?.innerText === '3 new'");
    assert_eq!(tab.eval("document.querySelectorAll('#schedule tbody tr').length"), 1);
    // Whoever is about to press it keeps it.
    tab.eval("document.querySelector('#new').focus()");
    client.schedule(&user.message(process.id, b"one more")).await;
    tab.until("document.querySelector('#new')?.innerText === '4 new'");
    assert_eq!(tab.eval("document.activeElement.id"), "new");
    tab.eval("document.querySelector('#new').click()");
    tab.until("document.querySelectorAll('#schedule tbody tr').length === 5");
    tab.eval("document.querySelector('[data-verify]').click()");
    tab.until("document.querySelector('#chain-said').innerText.startsWith('yes')");
    assert!(tab.text("#chain-said").contains("5 assignments"), "{}", tab.text("#chain-said"));
    // All of it with the keyboard alone.
    let press = |key: &str| {
        tab.eval(&format!("document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true }}))"))
    };
    press("j");
    press("j");
    assert_eq!(tab.eval("document.activeElement.innerText"), "3");
    tab.eval("document.activeElement.click()");
    tab.until("document.querySelector('#entry')");
    press("]");
    // The screen of before is whole, too.
    tab.until("document.querySelector('#entry-heading')?.innerText === 'Nonce 4' && document.querySelector('[data-verify]')");
    press("v");
    assert!(lines(&tab).iter().all(|line| line.contains("yes")));
    node.stop();
}

/// Asks the page what it makes of bytes, with its own code.
fn verdict(tab: &Tab<'_>, bytes: &[u8]) -> Value {
    let code = "(async (text) => {
        const { fromBase64url, NoItem, parse } = await import('./item.js');
        const { isSigned } = await import('./signatures.js');
        const { idOf } = await import('./verify.js');
        try {
            const item = parse(fromBase64url(text));
            return (await isSigned(item)) ? [idOf(item), item.tags] : null;
        } catch (error) {
            if (error instanceof NoItem) return null;
            throw error;
        }
    })";
    tab.eval(&format!("{code}('{}')", base64url::encode(bytes)))
}

#[tokio::test]
async fn all_vectors_get_their_verdict_with_and_without_a_secure_origin() {
    let folder = folder();
    let node = Launch::su(folder.path()).serve();
    let browser = Browser::start();
    let vectors = workspace().join("tests/data/vectors");
    let manifest = std::fs::read(vectors.join("manifest.json")).unwrap();
    let manifest: Vec<Value> = serde_json::from_slice(&manifest).unwrap();
    let port = node.url().rsplit_once(':').unwrap().1.to_owned();
    for (url, secure) in [(node.url(), true), (format!("http://plain.example:{port}"), false)] {
        let tab = open(&browser, &url, "#/", DESK);
        assert_eq!(tab.eval("Boolean(crypto.subtle)"), secure);
        let mut checked = 0;
        for vector in manifest.iter().filter(|vector| vector["bundle"] != true) {
            let file = vector["file"].as_str().unwrap();
            let found = verdict(&tab, &std::fs::read(vectors.join(file)).unwrap());
            if vector["valid"] == true {
                assert_eq!(found, json!([vector["id"], vector["tags"]]), "{file}");
            } else {
                assert_eq!(found, Value::Null, "{file}: {}", vector["why"]);
            }
            checked += 1;
        }
        assert!(checked > 80, "{checked} vectors");
    }
    node.stop();
}

/// The lines that are not `yes` when what this code makes of the parts is verified.
fn failing(tab: &Tab<'_>, process: Id, change: &str) -> Vec<String> {
    let code = format!(
        "(async () => {{
        const {{ bytes, rows }} = await import('./calls.js');
        const {{ verifyEntry }} = await import('./verify.js');
        const process = '{process}';
        const {{ entries: [row, earlier] }} = await rows(process, 3, 2);
        const parts = {{ process, row,
            item: await bytes(row.message, 'item', process), assignment: await bytes(row.assignment, 'assignment', process),
            spawn: await bytes(process, 'item', process), before: await bytes(earlier.assignment, 'assignment', process) }};
        const flip = (name, at) => {{ parts[name] = parts[name].slice(); parts[name][at] ^= 1; }};
        {change};
        return (await verifyEntry(parts)).filter((line) => line.result !== 'yes').map((line) => `${{line.name}}: ${{line.result}}`);
    }})()"
    );
    let found = tab.eval(&code);
    found.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_flaw_fails_its_own_line_only() {
    let folder = folder();
    let gateway = quipu_tests::Gateway::start();
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user, browser) = (node.client(), User::new(1), Browser::start());
    let own = process(&client, &user).await;
    let foreign = user.process();
    client.schedule(&foreign).await;
    for process in [&own, &foreign] {
        for number in 0..3 {
            client.schedule(&user.message(process.id, &[number])).await;
        }
    }
    let tab = open(&browser, &node.url(), "#/", DESK);
    let line = |name: &str, result: &str| format!("{name}: {result}");
    assert_eq!(failing(&tab, own.id, ""), [""; 0]);
    for (change, expected) in [
        ("flip('item', parts.item.length - 1)", line("Sender's signature", "no")),
        (
            "flip('assignment', new TextDecoder('latin1').decode(parts.assignment).indexOf('ao.TN.1'))",
            line("Assignment's signature", "no"),
        ),
    ] {
        let found = failing(&tab, own.id, change);
        assert_eq!(found, [expected], "{change}");
    }
    // Signed by somebody whom the process does not name.
    assert_eq!(failing(&tab, foreign.id, ""), [line("Signer is the process's Scheduler", "no")]);
    // What comes before is of another place, or not there.
    let chain = ["Hash chain goes on from the one before", "Time is later than the one before"];
    assert_eq!(failing(&tab, own.id, "parts.before = parts.assignment"), chain.map(|name| line(name, "no")));
    assert_eq!(failing(&tab, own.id, "parts.before = null"), chain.map(|name| line(name, "not checked")));
    let named = "const { entries: [, , third] } = await rows(process, null, 3); parts.item = await bytes(third.message, 'item', process)";
    let found = failing(&tab, own.id, named);
    assert_eq!(found, [line("Ids", "no"), line("Assignment names this item and process", "no")]);
    node.stop();
}

#[tokio::test]
async fn a_history_that_was_rewritten_is_found_by_an_old_link() {
    let (first, second, earlier) = (folder(), folder(), folder());
    let (gateway, user, browser) = (quipu_tests::Gateway::start(), User::new(1), Browser::start());
    let launch = |folder: &tempfile::TempDir| Launch::su(folder.path()).gateway(gateway.url());
    let node = launch(&first).start();
    let process = process(&node.client(), &user).await;
    node.stop();
    // The store as it is kept somewhere.
    copy(first.path(), earlier.path());
    let node = launch(&first).start();
    node.client().schedule(&user.message(process.id, b"one")).await;
    let tab = open(&browser, &node.url(), &format!("#/entry/{}/1", process.id), DESK);
    let link = tab.eval("document.querySelector('#link').getAttribute('href')");
    let link = link.as_str().unwrap().to_owned();
    assert!(link.contains("assignment=") && link.contains("chain="), "{link}");
    go(&tab, &link);
    assert_eq!(tab.eval("document.querySelector('#rewritten')"), Value::Null);
    node.stop();

    // The store comes back as it was before.
    let node = launch(&earlier).start();
    let tab = open(&browser, &node.url(), &link, DESK);
    assert!(tab.text("#rewritten").contains("rewritten"), "{}", tab.text("#content"));
    let colour = tab.eval("getComputedStyle(document.querySelector('#rewritten')).color");
    assert_eq!(colour, "rgb(164, 0, 0)", "it is red");
    node.stop();

    // The same process, and something else at the same nonce.
    let node = launch(&second).start();
    node.client().schedule(&process).await;
    let tab = open(&browser, &node.url(), &link, DESK);
    assert!(tab.text("#rewritten").contains("rewritten"), "{}", tab.text("#content"));
    node.client().schedule(&user.message(process.id, b"another")).await;
    let tab = open(&browser, &node.url(), &link, DESK);
    assert!(tab.text("#rewritten").contains("This is not what the link saw"), "{}", tab.text("#content"));
    check_page(&tab, &node.url());
    // What this browser verified itself it knows as well.
    tab.eval(&format!(
        "localStorage.setItem('quipu.seen.{}', JSON.stringify({{ nonce: 1, chain: 'x', signature: 'y' }}))",
        process.id
    ));
    go(&tab, &format!("#/entry/{}/0", process.id));
    assert!(tab.text("#remembered").contains("This browser verified"), "{}", tab.text("#content"));
    go(&tab, &format!("#/process/{}", process.id));
    assert!(tab.text("#remembered").contains("This browser verified"), "{}", tab.text("#content"));
    // And when all of the process is gone.
    let tab = open(&browser, &node.url(), "#/", DESK);
    tab.eval(&format!("localStorage.setItem('quipu.seen.{NOBODY}', JSON.stringify({{ nonce: 1, chain: 'x', signature: 'y' }}))"));
    for screen in ["process", "entry"] {
        go(&tab, &format!("#/{screen}/{NOBODY}/1"));
        let content = tab.text("#content");
        assert!(
            tab.text("#remembered").contains("it is gone") && content.contains("Not here: "),
            "{content}"
        );
    }
    node.stop();
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status();
    assert!(copied.is_ok_and(|copied| copied.success()), "{} can be copied", from.display());
}

#[tokio::test]
async fn hostile_items_are_text() {
    let folder = folder();
    let gateway = quipu_tests::Gateway::start();
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (client, user, browser) = (node.client(), User::new(1), Browser::start());
    let process = process(&client, &user).await;
    let script = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">";
    let mut tags = vec![("Type", "Message"), ("Action", script), ("a\u{202e}b", "c\u{202e}\u{0}d")];
    tags.extend([("link", "javascript:alert(1)"); 20]);
    // As many as there is room for: an item has at most 4,096 bytes of tags.
    tags.extend([("n", "v"); 850]);
    // About as much as a scheduler takes.
    let data = [script.as_bytes(), &vec![b'x'; (10 << 20) - 8192]].concat();
    client.schedule(&user.item(Some(process.id), &tags, &data)).await;
    for (screen, width) in
        [(format!("#/process/{}", process.id), PHONE), (format!("#/entry/{}/1", process.id), PHONE)]
    {
        let tab = open(&browser, &node.url(), &screen, width);
        let shown = tab.text("#content");
        assert!(shown.contains("<script>"), "{shown:.2000}");
        assert!(!shown.contains('\u{202e}') && !shown.contains('\u{0}'));
        assert_eq!(
            tab.eval(
                "document.querySelectorAll('#content img, #content script, a[href^=javascript]').length"
            ),
            0
        );
        assert_ne!(tab.eval("document.title"), "taken");
        assert!(tab.events("Page.javascriptDialogOpening").is_empty(), "a dialog opens");
        check_page(&tab, &node.url());
        if screen.contains("entry") {
            assert!(shown.contains("a⟨U+202E⟩b") && shown.contains("c⟨U+202E⟩⟨U+0000⟩d"), "{shown:.2000}");
            assert!(shown.contains("The first 64.0 KiB of 10.0 MiB are shown"), "{shown:.2000}");
            // In the order in which they were signed.
            let names = tab.eval("[...document.querySelectorAll('#item tbody tr td:first-child')].map((name) => name.innerText)");
            let names: Vec<_> = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            // Those of somebody else may be a million.
            assert_eq!(names.len(), 500, "of {} tags", tags.len());
            assert!(shown.contains("The first 500 of 875 tags are shown"), "{shown:.2000}");
            let first = names.iter().position(|name| *name == "Type").unwrap();
            assert_eq!(names[first..first + 4], ["Type", "Action", "a⟨U+202E⟩b", "link"]);
            tab.eval("document.querySelector('[data-verify]').click()");
            assert!(lines(&tab).iter().all(|line| line.contains("yes")), "{:?}", lines(&tab));
        }
    }
    node.stop();
}

#[tokio::test]
async fn pages_of_this_machine_show_a_node_elsewhere() {
    let folder = folder();
    let gateway = quipu_tests::Gateway::start();
    // Without pages of its own.
    let node = Launch::su(folder.path()).gateway(gateway.url()).set("UI", "none").start();
    let (client, user, browser) = (node.client(), User::new(1), Browser::start());
    let process = process(&client, &user).await;
    client.schedule(&user.message(process.id, b"one")).await;
    let mut pages = Launch::command(folder.path(), &["ui", "0", "--url", &node.url()]).program();
    let said = |text: &str| text.split_once("/ui/ shows ").map(|(url, _)| url.to_owned());
    let url = pages.stdout().find(PATIENCE, said).expect("it says where it is");
    let tab = open(&browser, &url, &format!("#/entry/{}/1", process.id), DESK);
    tab.eval("document.querySelector('[data-verify]').click()");
    assert!(lines(&tab).iter().all(|line| line.contains("yes")), "{:?}", lines(&tab));
    check_page(&tab, &url);
    // Nothing else of the node is here, and nothing for pages of others.
    let here = Client::new(&url);
    assert_eq!(here.get(&format!("/{}", process.id)).await.refusal(404), "not_found");
    let foreign = here.request(reqwest::Method::GET, "/timestamp").header("host", "page.example");
    assert_eq!(here.send(foreign).await.unwrap().refusal(403), "forbidden");
    node.stop();
    go(&tab, &format!("#/find/{}", process.id));
    assert!(tab.text("#content").starts_with("No answer: "), "{}", tab.text("#content"));
    pages.kill();
}
