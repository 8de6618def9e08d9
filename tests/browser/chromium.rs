//! A real browser, Debian's Chromium without a window, spoken to in its own protocol over two pipes
//! (<https://chromedevtools.github.io/devtools-protocol/>): no port, no driver, and of the protocol what is needed here.

use std::cell::{Cell, RefCell};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use quipu_tests::PATIENCE;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The pipes are the descriptors 3 and 4 of the browser, and each end waits for the other one. The name is one that has no
/// TLS, and is this machine.
const START: &str = "exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
                     --disable-background-networking --disable-component-update --remote-debugging-pipe \
                     --host-resolver-rules=\"MAP plain.example 127.0.0.1\" --user-data-dir=\"$3\" about:blank 3<\"$1\" 4>\"$2\" </dev/null";
const INTERVAL: Duration = Duration::from_millis(50);

/// Has a page ask once: what waits to ask again waits for ever.
const ONCE: &str = "const timeout = window.setTimeout;
    window.setTimeout = (act, ms, ...given) => (ms >= 3000 ? 0 : timeout(act, ms, ...given));";

/// A browser that runs; it is gone when this is dropped.
pub struct Browser {
    process: Child,
    to: File,
    told: Receiver<Value>,
    calls: Cell<u64>,
    events: RefCell<Vec<Value>>,
    folder: TempDir,
}

impl Browser {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("the folder for temporary files can be written to");
        let [orders, answers, profile] =
            ["orders", "answers", "profile"].map(|name| folder.path().join(name));
        let made = Command::new("mkfifo").args([&orders, &answers]).status();
        assert!(made.is_ok_and(|made| made.success()), "pipes can be made");
        let said = File::create(folder.path().join("said")).expect("the folder can be written to");
        let mut command = Command::new("sh");
        command.args(["-c", START, "sh"]).args([&orders, &answers, &profile]);
        // It has processes of its own, which end with their group.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        // What it keeps for its user is kept in the folder, too.
        command.env("HOME", folder.path()).env("XDG_CONFIG_HOME", folder.path());
        let process = command.spawn().expect("there is a shell");
        let to = OpenOptions::new().write(true).open(&orders).expect("the browser opens its end");
        let from = File::open(&answers).expect("the browser opens its end");
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            for message in BufReader::new(from).split(0) {
                let Ok(message) = message else { return };
                let told = serde_json::from_slice(&message).map(|message| tell.send(message));
                if !matches!(told, Ok(Ok(()))) {
                    return;
                }
            }
        });
        let (calls, events) = (Cell::default(), RefCell::default());
        Self { process, to, told, calls, events, folder }
    }

    /// A page in a window so wide.
    pub fn open(&self, url: &str, width: u32) -> Tab<'_> {
        let tab = self.empty(width);
        tab.call("Page.navigate", &json!({ "url": url }));
        tab
    }

    /// The same, and what it shows at first is not asked for again.
    pub fn open_once(&self, url: &str, width: u32) -> Tab<'_> {
        let tab = self.empty(width);
        tab.call("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": ONCE }));
        tab.call("Page.navigate", &json!({ "url": url }));
        tab
    }

    /// A window so wide with nothing in it.
    pub fn empty(&self, width: u32) -> Tab<'_> {
        let target = self.call(None, "Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call(None, "Target.attachToTarget", &attach)["sessionId"].clone();
        let tab = Tab { browser: self, session };
        for domain in ["Page", "Runtime", "Network", "Log"] {
            tab.call(&format!("{domain}.enable"), &json!({}));
        }
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600 });
        tab.call("Emulation.setDeviceMetricsOverride", &size);
        tab
    }

    fn call(&self, session: Option<&Value>, method: &str, parameters: &Value) -> Value {
        self.answer(session, method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// What a call is answered with, or the error that it is refused with.
    fn answer(&self, session: Option<&Value>, method: &str, parameters: &Value) -> Result<Value, Value> {
        let id = self.calls.get() + 1;
        self.calls.set(id);
        let mut order = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = session {
            order["sessionId"] = session.clone();
        }
        let order = format!("{order}\0");
        (&self.to).write_all(order.as_bytes()).unwrap_or_else(|error| self.fail(&error.to_string()));
        loop {
            // It starts slowly, and answers nothing while a page is busy.
            let told =
                self.told.recv_timeout(2 * PATIENCE).unwrap_or_else(|error| self.fail(&error.to_string()));
            if told["id"] != id {
                self.events.borrow_mut().push(told);
                continue;
            }
            return if told["error"].is_null() {
                Ok(told["result"].clone())
            } else {
                Err(told["error"].clone())
            };
        }
    }

    fn fail(&self, reason: &str) -> ! {
        let said = fs::read_to_string(self.folder.path().join("said")).unwrap_or_default();
        panic!("the browser does not answer ({reason}); it said:\n{said}")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = format!("-{}", self.process.id());
        // What has ended by itself cannot be killed, and is gone all the same.
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.process.wait();
    }
}

/// A page in the browser.
pub struct Tab<'a> {
    browser: &'a Browser,
    session: Value,
}

impl Tab<'_> {
    pub fn call(&self, method: &str, parameters: &Value) -> Value {
        self.browser.call(Some(&self.session), method, parameters)
    }

    /// What an expression is in this page.
    pub fn eval(&self, expression: &str) -> Value {
        self.try_eval(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// What an expression is in this page, or why it is nothing: it threw, or the page went away meanwhile.
    fn try_eval(&self, expression: &str) -> Result<Value, Value> {
        let order = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let found = self.browser.answer(Some(&self.session), "Runtime.evaluate", &order)?;
        if found["exceptionDetails"].is_null() { Ok(found["result"]["value"].clone()) } else { Err(found) }
    }

    /// The text of an element, as it is shown.
    pub fn text(&self, selector: &str) -> String {
        let found = self.eval(&format!("document.querySelector({})?.innerText", Value::from(selector)));
        found.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true, also in the page that comes after this one.
    pub fn until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.try_eval(&format!("Boolean({expression})"));
            if found == Ok(Value::Bool(true)) {
                return;
            }
            let shown = self.try_eval("document.body?.innerText");
            assert!(
                Instant::now() < deadline,
                "waited in vain for {expression}: {found:?}; the page shows:\n{shown:?}"
            );
            thread::sleep(INTERVAL);
        }
    }

    /// What was told of a kind of event till now.
    pub fn events(&self, method: &str) -> Vec<Value> {
        let events = self.browser.events.borrow();
        let own =
            events.iter().filter(|event| event["sessionId"] == self.session && event["method"] == method);
        own.map(|event| event["params"].clone()).collect()
    }
}
