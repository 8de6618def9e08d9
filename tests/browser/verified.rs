//! What the explorer calls verified, what it does not, and what it remembers of that.

use ans104::{Id, base64url};
use quipu_tests::{Launch, Signed, User};
use serde_json::{Value, json};

use crate::browsed::BrowsedProcess;
use crate::chromium::{Browser, Tab};
use crate::explorer::{go, lines, open};
use crate::node::{DESK, check_page, folder};
use crate::tabs::HIDE;

/// Changes what is told as JSON.
pub const CHANGED: &str = "const told = await answer.json(); CHANGE; return Response.json(told)";
const GONE: &str = "return Response.json({}, { status: 404 })";
const SPAWN: &str = "bytes?part=item";

/// Has the page take what this code makes of an answer for the answer, where the call has that in its path.
pub fn lie(tab: &Tab<'_>, path: &str, code: &str) {
    tab.eval(&format!(
        "window.told ??= window.fetch;
        window.fetch = async (url, options) => {{
            const answer = await window.told(url, options);
            if (!url.includes('{path}')) return answer;
            {code};
        }}; true"
    ));
}

/// What the screen of a process says of its chain.
fn chain_said(tab: &Tab<'_>) -> String {
    tab.eval("document.querySelector('#chain-said').replaceChildren()");
    tab.eval("document.querySelector('[data-verify]').click()");
    tab.until(
        "!document.querySelector('[data-verify][aria-disabled]') && document.querySelector('#chain-said').innerText",
    );
    tab.text("#chain-said")
}

/// What this browser remembers of a process.
fn remembered(tab: &Tab<'_>, process: Id) -> Value {
    tab.eval(&format!("JSON.parse(localStorage.getItem('quipu.seen.{process}'))"))
}

#[tokio::test]
async fn a_chain_is_verified_only_as_a_whole() {
    let seen = BrowsedProcess::of(4).await;
    let (process, foreign) = (seen.process, seen.user.process());
    seen.client.schedule(&foreign).await;
    seen.client.schedule(&seen.user.message(foreign.id, b"one")).await;
    let tab = seen.open(&seen.schedule());
    for (change, expected) in [
        ("told.links = []; told.next = null", "no it ends before any nonce, and nonce 4 is told of"),
        ("told.links.splice(2); told.next = null", "no it ends at nonce 1, and nonce 4 is told of"),
        ("told.links.splice(1, 1)", "not checked 4 assignments up to nonce 4"),
        ("told.links.splice(0, 1)", "not checked 4 assignments up to nonce 4"),
        ("told.links[2].bytes = told.links[1].bytes", "no At nonce 2: it is of another place"),
        ("told.links = []; told.next = 5", "No answer: it says that more comes after nonce 5"),
        ("told.next = 9", "No answer: it says that more comes after nonce 9"),
        ("told.links[0].bytes += '='", "No answer: "),
    ] {
        lie(&tab, "/chain", &CHANGED.replace("CHANGE", change));
        let said = chain_said(&tab);
        assert!(said.starts_with(expected), "{change}: {said}");
    }
    lie(&tab, SPAWN, GONE);
    let said = chain_said(&tab);
    assert!(said.starts_with("not checked") && said.contains("not who signed"), "{said}");
    assert_eq!(remembered(&tab, process), Value::Null, "what is not verified is not remembered");
    lie(&tab, "/chain", "return answer");
    let said = chain_said(&tab);
    assert!(said.starts_with("yes 5 assignments up to nonce 4"), "{said}");
    assert_eq!(remembered(&tab, process)["nonce"], 4);
    // By somebody whom the process does not name.
    go(&tab, &format!("#/process/{}", foreign.id));
    let said = chain_said(&tab);
    assert!(said.starts_with("no the process names"), "{said}");
    assert_eq!(remembered(&tab, foreign.id), Value::Null);
    check_page(&tab, &seen.node.url());
    seen.node.stop();
}

#[tokio::test]
async fn a_walk_along_a_chain_stops_when_it_is_told_to_and_waits_while_nobody_looks() {
    let seen = BrowsedProcess::of(3).await;
    let tab = seen.open(&seen.schedule());
    // One assignment at a time, and from the second question on only when it is let through.
    tab.eval(
        "window.told = window.fetch;
        window.fetch = async (url, options) => {
            if (!url.includes('/chain')) return window.told(url, options);
            window.asked += 1;
            if (window.asked > 1) await window.gate;
            return window.told(url.replace(/limit=\\d+/, 'limit=1'), options);
        }; true",
    );
    let begin = || {
        tab.eval("window.asked = 0; window.gate = new Promise((pass) => { window.pass = pass; }); true");
        tab.eval("document.querySelector('[data-verify]').click()");
        tab.until("window.asked === 2");
    };
    begin();
    tab.eval("document.querySelector('#stop').click(); window.pass(); true");
    tab.until("document.querySelector('#chain-said').innerText.startsWith('not checked')");
    let said = tab.text("#chain-said");
    assert!(said.contains("stopped after 1 assignment,"), "{said}");
    assert_eq!(tab.eval("document.querySelector('#stop').hidden"), true);
    begin();
    tab.eval(HIDE);
    tab.eval("window.pass(); true");
    // It would have asked again by the time that other questions are answered, one after the other.
    for _ in 0..5 {
        tab.eval(&format!("window.told('{}/timestamp').then((answer) => answer.text())", seen.node.url()));
    }
    assert_eq!(tab.eval("window.asked"), 2, "it asks while nobody looks");
    tab.eval("delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange')); true");
    tab.until("document.querySelector('#chain-said').innerText.startsWith('yes 4 assignments')");
    seen.node.stop();
}

#[tokio::test]
async fn what_was_verified_is_kept_until_it_is_forgotten_and_nothing_else_is() {
    let seen = BrowsedProcess::of(2).await;
    let (process, entry) = (seen.process, |nonce: u64| seen.entry(nonce));
    let tab = seen.open(&entry(1));
    let verify = || {
        tab.eval("document.querySelector('[data-verify]').click()");
        lines(&tab)
    };
    // Whoever keeps the process to itself could have signed anything.
    lie(&tab, SPAWN, &format!("if (url.includes('/items/{process}/')) {GONE}; return answer"));
    go(&tab, &entry(1));
    let found = verify();
    assert!(found.iter().any(|line| line.contains("not checked") && line.contains("Signer")), "{found:?}");
    assert!(found.iter().all(|line| !line.starts_with("no ")), "{found:?}");
    assert_eq!(remembered(&tab, process), Value::Null);
    lie(&tab, SPAWN, "return answer");
    go(&tab, &entry(1));
    verify();
    assert_eq!(remembered(&tab, process)["nonce"], 1);

    // What differs from it never takes its place.
    let other = json!({ "nonce": 1, "chain": "x", "signature": "y" });
    let keep = json!(other.to_string());
    tab.eval(&format!("localStorage.setItem('quipu.seen.{process}', {keep})"));
    for screen in [entry(1), entry(2), format!("#/process/{process}")] {
        go(&tab, &screen);
        assert!(tab.text("#remembered").contains("rewritten"), "{}", tab.text("#content"));
        if screen.contains("entry") {
            assert!(verify().iter().all(|line| line.contains("yes")), "{:?}", lines(&tab));
        } else {
            assert!(chain_said(&tab).starts_with("yes"), "{}", tab.text("#chain-said"));
        }
        assert_eq!(remembered(&tab, process), other, "{screen}");
    }
    // But for somebody who says so, twice.
    go(&tab, &entry(2));
    tab.eval("document.querySelector('#forget').click()");
    assert!(tab.text("#forget").ends_with("sure?"), "{}", tab.text("#forget"));
    assert_eq!(remembered(&tab, process), other);
    tab.eval("document.querySelector('#forget').click()");
    tab.until("document.querySelector('[data-verify]') && !document.querySelector('#remembered')");
    assert_eq!(remembered(&tab, process), Value::Null);
    verify();
    assert_eq!(remembered(&tab, process)["nonce"], 2);

    // A link carries what was seen, and what is not there was not.
    let link = tab.eval(&format!(
        "import('./history.js').then(({{ linkTo }}) => linkTo('{process}', {{ nonce: 1, assignment: '{process}', hash_chain: null }}))"
    ));
    assert_eq!(link, json!(format!("{}?assignment={process}", entry(1))));
    check_page(&tab, &seen.node.url());
    seen.node.stop();
}

/// What the page finds of each thing about an entry of nonce 1.
fn results(tab: &Tab<'_>, spawn: &Signed, message: &Signed, assignment: &Signed, before: &Signed) -> Value {
    results_of(tab, (spawn, "read"), message, assignment, before)
}

/// The same where the spawn is taken through this function of the page.
fn results_of(
    tab: &Tab<'_>,
    (spawn, taken): (&Signed, &str),
    message: &Signed,
    assignment: &Signed,
    before: &Signed,
) -> Value {
    let text = |signed: &Signed| base64url::encode(&signed.bytes);
    let code = format!(
        "(async () => {{
            const {{ fromBase64url: read }} = await import('./item.js');
            const {{ verifyEntry }} = await import('./verify.js');
            const row = {{ kind: 'scheduled', message: '{}', assignment: '{}', nonce: 1, owner: null, size: 3, timestamp: null, block_height: null, hash_chain: null }};
            const found = await verifyEntry({{ process: '{}', row, spawn: {taken}('{}'), item: read('{}'), assignment: read('{}'), before: read('{}') }});
            return found.map((line) => line.result);
        }})()",
        message.id,
        assignment.id,
        spawn.id,
        text(spawn),
        text(message),
        text(assignment),
        text(before)
    );
    tab.eval(&code)
}

#[tokio::test]
async fn what_comes_before_is_read_strictly_and_takes_no_other_line_away() {
    let (folder, browser) = (folder(), Browser::start());
    let node = Launch::su(folder.path()).serve();
    let tab = open(&browser, &node.url(), "#/", DESK);
    let (scheduler, stranger) = (User::new(1), User::new(2));
    let named = scheduler.address().to_string();
    let spawn = stranger.item(None, &[("Type", "Process"), ("Scheduler", &named)], b"a process");
    let message = stranger.message(spawn.id, b"one");
    let elsewhere = stranger.process().id;
    let seed = Id::of_signature(spawn.id.as_bytes());
    let (right, padded) = (seed.to_string(), format!("{seed}="));
    let (yes, no) = ("yes", "no");
    for (signer, of, chain, times, expected) in [
        (&scheduler, spawn.id, &*right, ["1", "2"], [yes, yes]),
        (&scheduler, spawn.id, &right, ["9007199254740992", "9007199254740993"], [yes, yes]),
        (&stranger, spawn.id, &right, ["1", "2"], [no, no]),
        (&scheduler, elsewhere, &right, ["1", "2"], [no, no]),
        (&scheduler, spawn.id, "%%", ["1", "2"], [no, yes]),
        (&scheduler, spawn.id, &padded, ["1", "2"], [no, yes]),
        (&scheduler, spawn.id, &right, ["1", "0x10"], [yes, no]),
        (&scheduler, spawn.id, &right, ["1", "1e3"], [yes, no]),
        (&scheduler, spawn.id, &right, ["", "2"], [yes, no]),
        (&scheduler, spawn.id, &right, [" 1 ", "2"], [yes, no]),
        (&scheduler, spawn.id, &right, ["1", "99999999999999999999"], [yes, no]),
        (&scheduler, spawn.id, &right, ["2", "2"], [yes, no]),
    ] {
        let before = signer.assignment((of, 0), message.id, chain, times[0]);
        let after = before.chain_after(seed).to_string();
        let assignment = scheduler.assignment((spawn.id, 1), message.id, &after, times[1]);
        let found = results(&tab, &spawn, &message, &assignment, &before);
        let expected = json!([yes, yes, yes, yes, yes, yes, expected[0], expected[1]]);
        assert_eq!(found, expected, "{chain}, {times:?}");
    }
    node.stop();
}

/// The lines that are not `yes` of the last entry of a process when this code changes what the list tells of it or its parts.
fn changed(tab: &Tab<'_>, process: Id, change: &str) -> Value {
    tab.eval(&format!(
        "(async () => {{
            const {{ bytes, rows }} = await import('./calls.js');
            const {{ verifyEntry }} = await import('./verify.js');
            const process = '{process}';
            const {{ entries: [row, earlier] }} = await rows(process, null, 2);
            const parts = {{ process, row, item: await bytes(row.message, 'item', process), assignment: await bytes(row.assignment, 'assignment', process),
                spawn: await bytes(process, 'item', process), before: await bytes(earlier.assignment, 'assignment', process) }};
            {change};
            return (await verifyEntry(parts)).filter((line) => line.result !== 'yes').map((line) => `${{line.name}}: ${{line.result}}`);
        }})()"
    ))
}

#[tokio::test]
async fn a_list_that_tells_another_than_was_signed_is_wrong() {
    let seen = BrowsedProcess::of(1).await;
    let (process, tab) = (seen.process, seen.open("#/"));
    let (list, names) = ("The list tells what was signed", "Assignment names this item and process");
    let sender = "Sender's signature: not checked";
    for (change, expected) in [
        ("", json!([])),
        // Whoever asks whether one arrived is told when what was signed is another one.
        ("row.kind = 'assigned'; parts.item = null", json!([sender])),
        (
            "row.kind = 'assigned'; parts.item = null; row.message = process",
            json!([sender, format!("{names}: no")]),
        ),
        ("parts.item = null; row.message = row.assignment", json!([sender, format!("{names}: no")])),
        ("row.owner = process", json!([format!("{list}: no")])),
        ("row.timestamp += 1", json!([format!("{list}: no")])),
        ("row.block_height -= 1", json!([format!("{list}: no")])),
        ("row.size = 4", json!([format!("{list}: no")])),
        ("row.hash_chain = process", json!([format!("{list}: no")])),
        (
            "row.owner = null; row.timestamp = null; row.block_height = null; row.size = null; row.hash_chain = null",
            json!([format!("{list}: not checked")]),
        ),
    ] {
        assert_eq!(changed(&tab, process, change), expected, "{change}");
    }
    seen.node.stop();
}

#[tokio::test]
async fn who_signed_is_a_line_of_its_own() {
    let (folder, browser) = (folder(), Browser::start());
    let node = Launch::su(folder.path()).serve();
    let tab = open(&browser, &node.url(), "#/", DESK);
    let (scheduler, stranger) = (User::new(1), User::new(2));
    let named = scheduler.address().to_string();
    let spawn = stranger.item(None, &[("Type", "Process"), ("Scheduler", &named)], b"a process");
    let message = stranger.message(spawn.id, b"one");
    let seed = Id::of_signature(spawn.id.as_bytes());
    let (yes, no) = ("yes", "no");
    for (earlier, later, signer, order) in
        [(&scheduler, &stranger, no, yes), (&stranger, &stranger, no, yes), (&stranger, &scheduler, yes, no)]
    {
        let before = earlier.assignment((spawn.id, 0), message.id, &seed.to_string(), "1");
        let assignment =
            later.assignment((spawn.id, 1), message.id, &before.chain_after(seed).to_string(), "2");
        let found = results(&tab, &spawn, &message, &assignment, &before);
        assert_eq!(found, json!([yes, yes, yes, signer, yes, yes, order, order]));
    }
    // Where nobody knows who should have signed, neither is called wrong.
    let before = stranger.assignment((spawn.id, 0), message.id, &seed.to_string(), "1");
    let assignment =
        scheduler.assignment((spawn.id, 1), message.id, &before.chain_after(seed).to_string(), "2");
    let found = results_of(&tab, (&spawn, "(() => null)"), &message, &assignment, &before);
    assert_eq!((&found[6], &found[7]), (&json!("not checked"), &json!("not checked")), "{found}");
    node.stop();
}
