//! Everything with the keys alone, as they are pressed: each control is reached and seen to be, and does what it does.

use quipu_tests::{Gateway, Launch, User};
use serde_json::{Value, json};

use crate::chromium::{Browser, Tab};
use crate::explorer::{process, settle};
use crate::node::{DESK, folder, shown};

/// What takes a key and is seen: the way past the head is seen when it is reached.
const CONTROLS: &str = "[...document.querySelectorAll('a[href], button, input, summary, [tabindex=\"0\"]')]
    .filter((one) => !one.disabled && one.checkVisibility())";

/// Presses a key as a person does.
pub fn press(tab: &Tab<'_>, key: &str) {
    let text = match key {
        "Enter" => "\r",
        _ if key.chars().count() == 1 => key,
        _ => "",
    };
    let code = match key {
        "Enter" => 13,
        "Tab" => 9,
        "Backspace" => 8,
        _ => 0,
    };
    let down = json!({ "type": "keyDown", "key": key, "text": text, "windowsVirtualKeyCode": code });
    tab.call("Input.dispatchKeyEvent", &down);
    tab.call(
        "Input.dispatchKeyEvent",
        &json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code }),
    );
}

/// Holds that the key for it leads to each control, and that each shows that it is the one.
fn reach_all(tab: &Tab<'_>, screen: &str) {
    tab.call("Emulation.setFocusEmulationEnabled", &json!({ "enabled": true }));
    tab.eval("window.reached = new Set(); document.activeElement.blur(); true");
    let controls = tab.eval(&format!("{CONTROLS}.length")).as_u64().unwrap();
    assert!(controls > 4, "{screen}: {controls} controls");
    // Around, past what scrolls as well.
    for _ in 0..2 * controls {
        press(tab, "Tab");
        let unseen = tab.eval(
            "window.reached.add(document.activeElement);
            getComputedStyle(document.activeElement).outlineStyle === 'none' && document.activeElement !== document.body
                ? document.activeElement.outerHTML : null",
        );
        assert_eq!(unseen, Value::Null, "{screen}: nobody sees that it is reached");
    }
    let missed = tab
        .eval(&format!("{CONTROLS}.filter((one) => !window.reached.has(one)).map((one) => one.outerHTML)"));
    assert_eq!(missed, json!([]), "{screen}: not reached");
}

#[tokio::test]
async fn each_control_is_reached() {
    let (folders, gateway) = ([folder(), folder()], Gateway::start());
    let node = Launch::su(folders[0].path()).gateway(gateway.url()).start();
    let router = Launch::router(folders[1].path(), &[node.url().as_str()]).serve();
    let (user, browser) = (User::new(1), Browser::start());
    let process = process(&node.client(), &user).await.id;
    node.client().schedule(&user.message(process, b"one")).await;
    for screen in
        ["#/", &format!("#/find/{process}"), &format!("#/process/{process}"), &format!("#/entry/{process}/1")]
    {
        let tab = browser.open_once(&format!("{}/ui/{screen}", node.url()), DESK);
        settle(&tab);
        reach_all(&tab, screen);
    }
    for screen in ["health", "followers", "history", "members"] {
        let tab = browser.open_once(&format!("{}/ui/#/{screen}", node.admin_url()), DESK);
        shown(&tab, screen);
        reach_all(&tab, screen);
    }
    for screen in ["health", "fleet"] {
        let tab = browser.open_once(&format!("{}/ui/#/{screen}", router.admin_url()), DESK);
        shown(&tab, screen);
        reach_all(&tab, &format!("{screen} of a router"));
    }
    router.stop();
    node.stop();
}

#[tokio::test]
async fn a_message_is_found_and_verified_and_a_replay_begun_with_keys_alone() {
    let (folder, gateway) = (folder(), Gateway::start());
    let node = Launch::su(folder.path()).gateway(gateway.url()).start();
    let (user, browser) = (User::new(1), Browser::start());
    let process = process(&node.client(), &user).await.id;
    let message = user.message(process, b"one");
    node.client().schedule(&message).await;
    let tab = browser.open_once(&format!("{}/ui/", node.url()), DESK);
    settle(&tab);
    tab.call("Emulation.setFocusEmulationEnabled", &json!({ "enabled": true }));
    press(&tab, "/");
    tab.call("Input.insertText", &json!({ "text": message.id.to_string() }));
    // A letter in a field is a letter.
    press(&tab, "t");
    assert_eq!(tab.eval("document.activeElement.value"), format!("{}t", message.id));
    press(&tab, "Backspace");
    press(&tab, "Enter");
    tab.until("document.querySelector('#found tbody a')");
    settle(&tab);
    press(&tab, "j");
    press(&tab, "Enter");
    // The page of before is there until this one is.
    let entry = |nonce: u64, key: &str| {
        let heading = format!("document.querySelector('#entry-heading')?.innerText === 'Nonce {nonce}'");
        tab.until(&format!("{heading} && document.querySelector('[data-step=\"{key}\"][href]')"));
    };
    entry(1, "[");
    press(&tab, "[");
    entry(0, "]");
    press(&tab, "]");
    entry(1, "[");
    tab.until("document.querySelector('[data-verify]')");
    press(&tab, "v");
    tab.until("document.querySelectorAll('#verified tbody tr').length === 8");
    press(&tab, "?");
    tab.until("!document.querySelector('#keys').hidden");
    press(&tab, "Escape");
    tab.until("document.querySelector('#keys').hidden");

    let tab = browser.open_once(&format!("{}/ui/", node.admin_url()), DESK);
    shown(&tab, "health");
    tab.call("Emulation.setFocusEmulationEnabled", &json!({ "enabled": true }));
    press(&tab, "2");
    shown(&tab, "followers");
    let replay = "[...document.querySelectorAll('#projections button')].find((one) => one.innerText.startsWith('Replay index'))";
    let mut presses = 0;
    while tab.eval(&format!("document.activeElement === {replay}")) != true {
        presses += 1;
        assert!(presses < 100, "it is not reached");
        press(&tab, "Tab");
    }
    press(&tab, "Enter");
    assert_eq!(tab.eval("document.activeElement.innerText"), "Replay index: sure?");
    press(&tab, "Enter");
    tab.until("document.querySelector('#token-field')");
    node.stop();
}
