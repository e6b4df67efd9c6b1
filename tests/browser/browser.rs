//! A real browser: Debian's Chromium without a window, driven through ChromeDriver. One for each
//! test, ended with it, its processes by their ids.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;

use axum::http::Method;
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand, WindowHandle};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Url;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::api::{Api, until};

/// How wide and high a page is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View {
    /// 390 x 844, with a finger.
    Phone,
    /// 1280 x 900.
    Desktop,
}

impl View {
    fn metrics(self) -> Value {
        let (width, height, mobile, scale) = match self {
            View::Phone => (390, 844, true, 2),
            View::Desktop => (1280, 900, false, 1),
        };
        json!({ "width": width, "height": height, "mobile": mobile, "deviceScaleFactor": scale })
    }
}

/// A browser with one page open. When it is dropped the test fails if a script failed, the policy
/// for contents was violated, or something could not be loaded.
pub(crate) struct Browser {
    client: Client,
    runtime: Runtime,
    driver: Child,
    /// Chromium's first process; the others end with it.
    chromium: Option<Pid>,
    base: String,
    forgiven: Vec<&'static str>,
    _profile: TempDir,
}

impl Browser {
    /// Opens `/` of this service.
    pub(crate) fn at(service: &Api, view: View) -> Browser {
        let browser = Self::start(address(service), true);
        browser.show_as(view);
        browser.open("/");
        browser
    }

    /// The same on a phone whose owner allows no scripts.
    pub(crate) fn without_scripts(service: &Api) -> Browser {
        let browser = Self::start(address(service), false);
        browser.show_as(View::Phone);
        browser.open("/");
        browser
    }

    fn start(address: SocketAddr, scripts: bool) -> Browser {
        let profile = tempfile::tempdir().unwrap();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("ChromeDriver is installed: apt-get install chromium-driver");
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port: u16 = lines
            .map_while(Result::ok)
            .find_map(|line| {
                let port = line.split_once("successfully on port ")?.1;
                port.trim_end_matches('.').parse().ok()
            })
            .expect("ChromeDriver says where it listens");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let allowed = if scripts { 1 } else { 2 };
        let capabilities = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": {
                "args": [
                    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                    "--no-first-run", "--disable-background-networking", "--disable-extensions",
                    "--mute-audio", "--hide-scrollbars", "--force-color-profile=srgb",
                    format!("--user-data-dir={}", profile.path().display()),
                ],
                "prefs": { "profile.managed_default_content_settings.javascript": allowed },
            },
        });
        let capabilities: Capabilities = serde_json::from_value(capabilities).unwrap();
        let client = runtime
            .block_on(async {
                let mut builder = ClientBuilder::new(HttpConnector::new());
                builder.capabilities(capabilities);
                builder.connect(&format!("http://127.0.0.1:{port}")).await
            })
            .expect("Chromium starts");
        let chromium = client
            .capabilities()
            .and_then(|them| them.get("goog:processID")?.as_i64())
            .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        Browser {
            client,
            runtime,
            driver,
            chromium,
            base: format!("http://{address}"),
            forgiven: Vec::new(),
            _profile: profile,
        }
    }

    /// What the console may complain about in this test.
    pub(crate) fn forgive(&mut self, complaint: &'static str) {
        self.forgiven.push(complaint);
    }

    pub(crate) fn show_as(&self, view: View) {
        self.devtools("Emulation.setDeviceMetricsOverride", view.metrics());
    }

    /// As the owner's system prefers it; without movement, so that every try sees the same.
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]});
        self.devtools("Emulation.setEmulatedMedia", features);
    }

    /// The next page is loaded with all that belongs to it.
    pub(crate) fn forgets_what_it_kept(&self) {
        self.devtools("Network.clearBrowserCache", json!({}));
    }

    pub(crate) fn open(&self, path: &str) {
        let url = format!("{}{path}", self.base);
        self.runtime.block_on(self.client.goto(&url)).unwrap();
    }

    /// The path and query of the page that is shown.
    pub(crate) fn path(&self) -> String {
        let url = self.runtime.block_on(self.client.current_url()).unwrap();
        url.as_str()[self.base.len()..].to_owned()
    }

    /// Waits for this to be there, shown, and to have these words in it (in any case of letters: a
    /// style may change it).
    pub(crate) fn sees(&self, css: &str, words: &str) {
        until(&format!("{words:?} in {css}"), || {
            let text = self.text(css)?.to_lowercase();
            text.contains(&words.to_lowercase()).then_some(())
        });
    }

    /// Waits until nothing that is shown is this.
    pub(crate) fn sees_no(&self, css: &str) {
        until(&format!("no {css}"), || {
            let shown = self.runtime.block_on(async {
                let element = self.client.find(Locator::Css(css)).await?;
                element.is_displayed().await
            });
            matches!(shown, Ok(false) | Err(CmdError::Standard(_))).then_some(())
        });
    }

    /// The text of the first of these, if it is there and shown.
    pub(crate) fn text(&self, css: &str) -> Option<String> {
        self.runtime.block_on(async {
            let element = self.client.find(Locator::Css(css)).await.ok()?;
            if !element.is_displayed().await.ok()? {
                return None;
            }
            element.text().await.ok()
        })
    }

    /// Clicks it, once it is there and can be clicked.
    pub(crate) fn click(&self, css: &str) {
        self.act(css, async |element| element.click().await);
    }

    /// Types into it.
    pub(crate) fn write(&self, css: &str, text: &str) {
        self.act(css, async |element| {
            element.clear().await?;
            element.send_keys(text).await
        });
    }

    /// Presses keys on it.
    pub(crate) fn press_on(&self, css: &str, keys: &str) {
        self.act(css, async |element| element.send_keys(keys).await);
    }

    /// A page that lives replaces elements: what went stale is looked for again.
    fn act(&self, css: &str, act: impl AsyncFn(Element) -> Result<(), CmdError>) {
        until(&format!("{css}, to use it"), || {
            self.runtime.block_on(async {
                let element = self.client.find(Locator::Css(css)).await.ok()?;
                if act(element.clone()).await.is_ok() {
                    return Some(());
                }
                // It may lie below the navigation at the foot of a telephone.
                let up = "arguments[0].scrollIntoView({ block: 'center' })";
                let element = serde_json::to_value(&element).unwrap();
                let _ = self.client.execute(up, vec![element]).await;
                None
            })
        });
    }

    /// Presses a key, wherever the focus is; WebDriver's numbers for those without a letter.
    pub(crate) fn press(&self, key: &str) {
        until("what has the focus, to press a key", || {
            self.runtime.block_on(async {
                let focused = self.client.active_element().await.ok()?;
                focused.send_keys(key).await.ok()
            })
        });
    }

    /// Waits for so many pictures to be there, and to be pictures.
    pub(crate) fn until_loaded(&self, css: &str, count: usize) {
        until(&format!("{count} pictures in {css}"), || {
            let loaded = self.script(&format!(
                "return [...document.querySelectorAll('{css}')].filter(it => it.naturalWidth > 0).length"
            ));
            (loaded == json!(count)).then_some(())
        });
    }

    /// Says yes to what the page asks.
    pub(crate) fn agrees(&self) {
        until("a question of the page", || {
            self.runtime.block_on(self.client.accept_alert()).ok()
        });
    }

    /// Another tab before this one; returns this one.
    pub(crate) fn another_tab(&self) -> WindowHandle {
        self.runtime.block_on(async {
            let here = self.client.window().await.unwrap();
            let other = self.client.new_window(true).await.unwrap();
            self.client.switch_to_window(other.handle).await.unwrap();
            here
        })
    }

    /// Closes the tab that is before this one.
    pub(crate) fn back_from_another(&self, to: WindowHandle) {
        self.runtime.block_on(async {
            self.client.close_window().await.unwrap();
            self.client.switch_to_window(to).await.unwrap();
        });
    }

    /// What this script returns; to look at a page, never to act on it: where another page comes in
    /// between, that one is looked at.
    pub(crate) fn script(&self, script: &str) -> Value {
        until(&format!("an answer to {script:.200}"), || {
            let told = self.client.execute(script, Vec::new());
            self.runtime.block_on(told).ok()
        })
    }

    /// The same, of a script that calls its last argument with what it found.
    pub(crate) fn script_that_waits(&self, script: &str) -> Value {
        let told = self.client.execute_async(script, Vec::new());
        self.runtime.block_on(told).unwrap()
    }

    /// The page as it is shown: a PNG.
    pub(crate) fn picture(&self) -> Vec<u8> {
        self.runtime.block_on(self.client.screenshot()).unwrap()
    }

    /// Nothing reaches beyond the right edge.
    pub(crate) fn fits(&self) {
        let wide = self.script(
            "const edge = document.documentElement.clientWidth;
             const beyond = [...document.querySelectorAll('body *')].filter(it => {
               for (let up = it.parentElement; up; up = up.parentElement)
                 if (getComputedStyle(up).overflowX !== 'visible') return false;
               return it.getBoundingClientRect().right > edge + 1;
             });
             return [document.documentElement.scrollWidth - edge, beyond.map(it => it.outerHTML.slice(0, 120))]",
        );
        assert_eq!(wide, json!([0, []]), "{}", self.path());
    }

    fn devtools(&self, cmd: &'static str, params: Value) {
        self.command("goog/cdp/execute", json!({ "cmd": cmd, "params": params }));
    }

    fn command(&self, path: &'static str, body: Value) -> Value {
        let told = self.client.issue_cmd(Extra { path, body });
        self.runtime.block_on(told).unwrap()
    }

    /// What the console said that it should not have said.
    fn complaints(&self) -> Vec<String> {
        let log = self.client.issue_cmd(Extra {
            path: "se/log",
            body: json!({ "type": "browser" }),
        });
        let Ok(Value::Array(log)) = self.runtime.block_on(log) else {
            return vec!["the console does not answer".to_owned()];
        };
        let said: BTreeSet<String> = (log.iter())
            .filter(|entry| entry["level"] == "SEVERE")
            .filter_map(|entry| Some(entry["message"].as_str()?.to_owned()))
            // The service says no: that is an answer.
            .filter(|said| {
                ![
                    "status of 400",
                    "status of 409",
                    "status of 403",
                    "status of 429",
                ]
                .iter()
                .any(|no| said.contains(no))
            })
            .filter(|said| !self.forgiven.iter().any(|it| said.contains(it)))
            .collect();
        said.into_iter().collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let complaints = self.complaints();
        if std::thread::panicking() {
            let source = self.runtime.block_on(self.client.source());
            eprintln!("--- the page ---\n{}", source.unwrap_or_default());
        }
        let _ = self.runtime.block_on(self.client.clone().close());
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        if let Some(chromium) = self.chromium {
            // It has ended with its driver, if all went well.
            let _ = kill_process(chromium, Signal::KILL);
        }
        if std::thread::panicking() {
            eprintln!("--- the console ---\n{}", complaints.join("\n"));
        } else {
            assert!(complaints.is_empty(), "the console: {complaints:#?}");
        }
    }
}

fn address(service: &Api) -> SocketAddr {
    match service {
        Api::Tcp(address) => *address,
        Api::Socket(path) => panic!("a browser cannot open {}", path.display()),
    }
}

/// A command of ChromeDriver's own.
#[derive(Debug)]
struct Extra {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extra {
    fn endpoint(
        &self,
        base_url: &Url,
        session_id: Option<&str>,
    ) -> Result<Url, <Url as FromStr>::Err> {
        let session = session_id.expect("a session is open");
        base_url.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
