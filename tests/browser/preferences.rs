//! What somebody chose, with and without a browser that keeps it; where one is after what was pressed; and what is read aloud.

use quipu_tests::Launch;
use serde_json::{Value, json};

use crate::browsed::BrowsedProcess;
use crate::chromium::{Browser, Tab};
use crate::explorer::{go, settle};
use crate::keyboard::press;
use crate::node::{DESK, folder, open as open_operators, shown};
use crate::verified::lie;

/// A browser that keeps nothing for a page says so in this way.
const BLOCKED: &str = "Object.defineProperty(window, 'localStorage', {
    get() { throw new DOMException('access is denied', 'SecurityError'); } })";
/// All times that are shown, as they are written.
const TIMES: &str = "[...document.querySelectorAll('time[data-ms]')].map((time) => time.innerText)";

/// Whether all times are in the one zone that is known everywhere.
fn are_universal(tab: &Tab<'_>) -> bool {
    let times = tab.eval(TIMES);
    let times: Vec<_> = times.as_array().unwrap().iter().map(|time| time.as_str().unwrap()).collect();
    assert!(!times.is_empty(), "no time is shown");
    let universal = times.iter().filter(|time| time.ends_with(" UTC")).count();
    assert!(universal == 0 || universal == times.len(), "{times:?}");
    universal > 0
}

#[tokio::test]
async fn what_was_chosen_holds_everywhere_at_once_and_is_remembered() {
    let seen = BrowsedProcess::of(1).await;
    let tab = seen.open(&seen.entry(1));
    assert!(!are_universal(&tab));
    press(&tab, "t");
    assert!(are_universal(&tab));
    // Light and dark as they are chosen look as they do where the system says so.
    let colours =
        "['--text', '--quiet', '--back', '--line', '--card', '--fail', '--warn', '--ok', 'color-scheme']
        .map((name) => getComputedStyle(document.documentElement).getPropertyValue(name))";
    let by_system = ["light", "dark"].map(|value| {
        let feature = json!({ "name": "prefers-color-scheme", "value": value });
        tab.call("Emulation.setEmulatedMedia", &json!({ "features": [feature] }));
        tab.eval(colours).as_array().unwrap()[..8].to_vec()
    });
    assert_ne!(by_system[0], by_system[1]);
    for (place, name) in ["light", "dark"].into_iter().enumerate() {
        tab.eval("document.querySelector('#theme').click()");
        assert_eq!(tab.text("#theme"), format!("Colours: {name}"));
        let chosen = tab.eval(colours);
        assert_eq!(chosen.as_array().unwrap()[..8], by_system[place], "{name}");
        assert_eq!(chosen[8], name);
    }
    // The page of the operators is of another origin, with choices of its own.
    let tab = seen.open(&seen.entry(1));
    assert!(are_universal(&tab), "the zone is forgotten");
    assert_eq!(tab.text("#theme"), "Colours: dark");
    let tab = open_operators(&seen.browser, &seen.node, "history", DESK);
    assert!(!are_universal(&tab));
    press(&tab, "t");
    assert!(are_universal(&tab));
    seen.node.stop();
}

#[tokio::test]
async fn a_browser_that_keeps_nothing_does_what_is_chosen_and_says_what_it_forgets() {
    let seen = BrowsedProcess::of(1).await;
    let tab = seen.browser.empty(DESK);
    tab.call("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": BLOCKED }));
    tab.call("Page.navigate", &json!({ "url": format!("{}/ui/{}", seen.node.url(), seen.entry(1)) }));
    settle(&tab);
    for (button, before, after) in [
        ("#zone", "Times: local", "Times: UTC"),
        ("#theme", "Colours: system", "Colours: light"),
        ("#theme", "Colours: light", "Colours: dark"),
    ] {
        assert_eq!(tab.text(button), before);
        tab.eval(&format!("document.querySelector('{button}').click()"));
        assert_eq!(tab.text(button), after);
    }
    assert!(are_universal(&tab));
    tab.until("document.querySelector('[data-verify]')");
    // Whoever verifies here is told that nothing of it stays.
    tab.eval("document.querySelector('[data-verify]').click()");
    tab.until(
        "document.querySelector('#verified .quiet')?.innerText.startsWith('This browser keeps nothing')",
    );
    assert_eq!(tab.eval("document.querySelectorAll('#verified .alarm').length"), 0);
    assert_eq!(tab.eval("document.querySelectorAll('#verified tbody tr').length"), 8);
    tab.eval("document.querySelector('#help').click()");
    tab.eval("document.querySelector('#keys button').click()");
    assert_eq!(tab.text("#keys button"), "Turn keys on");
    press(&tab, "t");
    assert!(are_universal(&tab), "the key does nothing");
    go(&tab, &seen.schedule());
    tab.eval("document.querySelector('[data-verify]').click()");
    tab.until("document.querySelector('#chain-said').innerText.startsWith('yes')");
    seen.node.stop();
}

#[tokio::test]
async fn whoever_pressed_something_stays_at_it_or_is_told_what_came() {
    let seen = BrowsedProcess::of(1).await;
    let (node, browser) = (&seen.node, &seen.browser);
    let tab = browser.open_once(&format!("{}/ui/{}", node.url(), seen.entry(1)), DESK);
    settle(&tab);
    tab.call("Emulation.setFocusEmulationEnabled", &json!({ "enabled": true }));
    tab.until("document.querySelector('[data-verify]')");
    let is_at = |selector: &str| {
        tab.eval(&format!("document.activeElement === document.querySelector('{selector}')"))
    };
    tab.eval("document.querySelector('[data-verify]').focus()");
    press(&tab, "Enter");
    tab.until("document.querySelectorAll('#verified tbody tr').length === 8");
    assert_eq!(is_at("[data-verify]"), true, "after what was verified");
    press(&tab, "?");
    tab.eval("document.querySelector('#keys button').focus()");
    for label in ["Turn keys on", "Turn keys off"] {
        press(&tab, "Enter");
        assert_eq!(tab.text("#keys button"), label);
        assert_eq!(is_at("#keys button"), true, "{label}");
    }
    // Another screen is told of to whoever does not see it, and is gone on from at its top.
    let said = "document.querySelector('#said.unseen')?.textContent";
    tab.eval("document.querySelector('#entry nav [href^=\"#/process\"]').focus()");
    press(&tab, "Enter");
    tab.until(&format!("{said}?.match(/^Process .* is shown\\.$/)"));
    assert_eq!(is_at("#content"), true, "after a link that is gone");
    // The rows, one after the other and back, and the id of one.
    for (key, row) in [("j", 0), ("j", 1), ("k", 0)] {
        press(&tab, key);
        let place = "[...document.querySelectorAll('#schedule tbody tr')].findIndex((row) => row.contains(document.activeElement))";
        assert_eq!(tab.eval(place), row, "{key}");
    }
    press(&tab, "y");
    tab.until("document.querySelector('#said').innerText.startsWith('The id is ')");
    // The chain as well, and whoever stopped it.
    tab.eval("document.querySelector('[data-verify]').focus()");
    press(&tab, "Enter");
    tab.until("document.querySelector('#chain-said').innerText.startsWith('yes')");
    assert_eq!(is_at("[data-verify]"), true, "after a chain");

    let tab = browser.open_once(&format!("{}/ui/", node.admin_url()), DESK);
    shown(&tab, "health");
    tab.call("Emulation.setFocusEmulationEnabled", &json!({ "enabled": true }));
    tab.eval("document.querySelector('#screens [href=\"#/history\"]').focus()");
    press(&tab, "Enter");
    shown(&tab, "history");
    assert_eq!(tab.eval("document.activeElement.innerText"), "History", "after a link to a screen");
    assert_eq!(tab.eval("document.querySelector('#screens [aria-current]').innerText"), "History");
    tab.until(&format!("{said} === 'History is shown.'"));
    seen.node.stop();
}

/// More than is shown at once, three of it at each time.
const LONG: &str = "const before = Number(new URL(url, location).searchParams.get('before') ?? 1e12 + 600);
    const all = Array.from({ length: 1200 }, (_, n) => ({ at_ms: 1e12 + 599 - Math.floor(n / 3), is_about: false, kind: 'started', about: '',
        text: `number ${n}`, sequence: null })).filter((event) => event.at_ms < before);
    const told = { events: all.slice(0, 1000), next: all.length > 1000 ? all[999].at_ms : null };
    return Response.json(told)";

#[tokio::test]
async fn all_that_happened_is_reached() {
    let folder = folder();
    let (node, browser) = (Launch::su(folder.path()).serve(), Browser::start());
    let tab = open_operators(&browser, &node, "health", DESK);
    lie(&tab, "/history", LONG);
    tab.eval("location.hash = '#/history'");
    shown(&tab, "history");
    let mut found = Vec::new();
    loop {
        // They come in pieces, and are shown anew at times.
        let rows = "(async () => {
            while (document.querySelector('#content table[aria-busy]')) {
                await new Promise((ready) => setTimeout(ready, 50));
            }
            return [...document.querySelectorAll('#history td[data-of=How]')].map((cell) => cell.innerText);
        })()";
        let rows = tab.eval(rows);
        let rows: Vec<_> =
            rows.as_array().unwrap().iter().map(|row| row.as_str().unwrap().to_owned()).collect();
        assert!(rows.len() <= 500, "{}", rows.len());
        let last = rows.last().cloned().unwrap();
        found.extend(rows);
        let older =
            "[...document.querySelectorAll('#history nav a')].find((link) => link.innerText === 'Older')";
        if tab.eval(&format!("Boolean({older})")) != true {
            break;
        }
        tab.eval(&format!("{older}.focus(), {older}.click()"));
        tab.until(&format!(
            "!document.querySelector('#content table[aria-busy]')
                && ![...document.querySelectorAll('#history td[data-of=How]')].some((cell) => cell.innerText === {})",
            Value::from(last)
        ));
    }
    let expected: Vec<_> = (0..1200).map(|number| format!("number {number}")).collect();
    assert_eq!(found, expected);
    tab.eval("document.querySelector('#history nav a').click()");
    tab.until("document.querySelector('#history td[data-of=How]').innerText === 'number 0'");
    node.stop();
}
