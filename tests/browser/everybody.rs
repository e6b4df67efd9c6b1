//! The dashboard for everybody: whoever sees little, uses a keyboard, or has a slow line. And for
//! nobody else: no page asks another host for anything.

use serde_json::{Value, json};

use crate::api::until;
use crate::browser::{Browser, View};
use crate::dashboard::quiet_house;

/// Every page of the dashboard, once there was an incident.
pub(crate) const PAGES: [&str; 7] = [
    "/",
    "/pin",
    "/history",
    "/history/1",
    "/history/lines",
    "/people",
    "/checks",
];

/// As much as a page may weigh, everything but photos, as it is before a line packs it.
const WEIGHT: u64 = 150_000;

/// `tests/run` puts it there.
pub(crate) fn axe() -> String {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/target/python-axe/axe_playwright_python/axe.min.js"
    );
    std::fs::read_to_string(file).expect("axe-core is there: tests/run installs it")
}

pub(crate) fn finds_nothing(page: &Browser, axe: &str, what: &str) {
    page.script(axe);
    let found = page.script_that_waits(
        "const done = arguments[arguments.length - 1];
         axe.run(document, { resultTypes: ['violations'] }).then(found => done(
           found.violations.map(it => [it.id, it.help, it.nodes.map(node => node.html.slice(0, 200))])))",
    );
    assert_eq!(found, json!([]), "{what}");
}

#[test]
fn nothing_on_any_page_keeps_somebody_from_using_it() {
    let house = quiet_house();
    house
        .api
        .post("people/Anna/pin", json!({ "pin": "258025" }));
    house.api.post("arm", json!({}));
    house.api.set("hall", true);
    house.api.until_state("triggered");
    house.api.post("disarm", json!({}));
    house.api.until_state("disarmed");
    let axe = axe();
    let page = Browser::at(&house.api, View::Phone);
    for scheme in ["light", "dark"] {
        page.prefer(scheme);
        for path in PAGES {
            page.open(path);
            page.sees("#link", "Live");
            finds_nothing(&page, &axe, &format!("{path}, {scheme}"));
        }
    }
}

#[test]
fn no_alarm_is_too_loud_to_be_read() {
    let house = quiet_house();
    let axe = axe();
    let page = Browser::at(&house.api, View::Desktop);
    page.sees("#link", "Live");
    let looks = |what: &str| {
        for scheme in ["light", "dark"] {
            page.prefer(scheme);
            finds_nothing(&page, &axe, &format!("{what}, {scheme}"));
        }
    };
    house.api.set("front door", true);
    page.click("#arm [value=away]");
    page.sees("#notice", "is broken");
    looks("refused");
    page.click("#notice button");
    page.sees("#state", "Armed, away");
    looks("armed");
    house
        .api
        .faults(json!({ "nodemcu": "unplugged", "smtp": "535" }));
    page.sees("#gas-title", "Gas is not being watched");
    house.api.set("hall", true);
    page.sees("#state", "Alarm");
    page.sees("#troubles", "mail");
    looks("an alarm and troubles");
}

#[test]
fn a_page_is_light_and_asks_nobody_else() {
    let house = quiet_house();
    house.api.post("arm", json!({}));
    house.api.set("hall", true);
    let page = Browser::at(&house.api, View::Phone);
    page.sees("#state", "Alarm");
    for path in PAGES {
        page.forgets_what_it_kept();
        page.open(path);
        page.sees("#link", "Live");
        let weighed = page.script(
            "const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
             return all.map(it => [it.name, it.decodedBodySize])",
        );
        let weighed = weighed.as_array().unwrap();
        let name = |it: &Value| it[0].as_str().unwrap().to_owned();
        for it in weighed {
            let origin = page.script("return location.origin");
            let origin = origin.as_str().unwrap().to_owned() + "/";
            assert!(name(it).starts_with(&origin), "{path} asks {}", name(it));
        }
        let weight: u64 = (weighed.iter())
            .filter(|it| !name(it).contains("/api/v1/"))
            .map(|it| it[1].as_u64().unwrap())
            .sum();
        assert!(weight < WEIGHT, "{path} weighs {weight} bytes");
        assert!(
            weight > 25_000,
            "{path} weighs {weight} bytes: what was weighed?"
        );
    }
}

#[test]
fn the_keyboard_alone_arms_the_house() {
    let house = quiet_house();
    let page = Browser::at(&house.api, View::Desktop);
    page.sees("#state", "Disarmed");
    let focused = || page.script("return document.activeElement?.innerText ?? ''");
    page.press("\u{e004}");
    assert_eq!(focused(), "Skip to the content");
    until("the button that arms for the night", || {
        page.press("\u{e004}");
        (focused().as_str()?.contains("Night")).then_some(())
    });
    let outline = page.script("return getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid", "the focus can be seen");
    page.press("\u{e007}");
    page.sees("#state", "Armed, night");
    assert_eq!(
        page.script("return document.querySelector('#panel [role=status]').innerText.includes('Armed, night')"),
        true
    );
    // A page that lives leaves the focus where it was.
    house.api.set("kitchen gas", true);
    page.sees("#gas-title", "Gas!");
    assert!(focused().as_str().unwrap().contains("Night"));
}
