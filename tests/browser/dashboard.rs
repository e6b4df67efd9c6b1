//! An owner and their house, on a phone and on a desktop.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::api::{Api, until};
use crate::browser::{Browser, View};
use crate::everybody::PAGES;
use crate::process::{Running, Simulator, asfaleia, later_address};

/// The shipped house, disarmed and without delays.
pub(crate) fn quiet_house() -> Simulator {
    let house = Simulator::with(&[(
        "[gpio]\n",
        "[panel]\nexit-delay = \"0s\"\nentry-delay = \"0s\"\n\n[gpio]\n",
    )]);
    house.api.post("disarm", json!({}));
    house.api.until_state("disarmed");
    house
}

fn arms_and_disarms(page: &Browser, api: &Api) {
    page.sees("#state", "Disarmed");
    page.click("#arm [value=away]");
    page.sees("#state", "Armed, away");
    page.sees("#arm [aria-pressed=true]", "Away");
    api.until_state("armed_away");
    page.click("#do-disarm");
    page.sees("#state", "Disarmed");
    api.until_state("disarmed");
}

#[test]
fn a_phone_shows_the_house_and_arms_it() {
    let house = quiet_house();
    let page = Browser::at(&house.api, View::Phone);
    page.sees("#link", "Live");
    page.sees("#sensors", "front door");
    page.sees("#gas-title", "The air is clean");
    page.sees("#troubles", "None");
    arms_and_disarms(&page, &house.api);
    page.click("#arm [value=night]");
    page.sees("#state", "Armed, night");
}

#[test]
fn a_page_fits_a_phone_and_a_desktop() {
    let house = quiet_house();
    house.api.post(
        "people/Maria%20of%20the%20house%20next%20door/pin",
        json!({"pin": "258025"}),
    );
    house.api.post("arm", json!({}));
    house.api.set("hall", true);
    let page = Browser::at(&house.api, View::Phone);
    page.sees("#state", "Alarm");
    page.sees(".incident .photos", "");
    for view in [View::Phone, View::Desktop] {
        page.show_as(view);
        for path in PAGES {
            page.open(path);
            page.sees("main", "");
            page.fits();
        }
    }
}

#[test]
fn a_burglary_is_on_the_page_with_its_photos_until_somebody_disarms() {
    let house = quiet_house();
    let page = Browser::at(&house.api, View::Desktop);
    page.click("#arm [value=away]");
    page.sees("#state", "Armed, away");
    house.api.set("hall", true);
    page.sees("#state", "Alarm");
    page.sees(".incident", "Intrusion: hall");
    page.sees(".incident", "Nobody has acknowledged yet");
    // Three, as they come, and each is a picture.
    page.until_loaded(".incident img", 3);
    page.click("#do-ack");
    page.sees(".incident", "Acknowledged by");
    assert_eq!(house.api.status()["state"], "triggered");
    page.click("#do-silence");
    page.sees_no("#do-silence");
    page.click("#do-disarm");
    page.sees("#state", "Disarmed");
    page.sees_no(".incident");
    // It is in the history, with what happened, when the disk has it.
    page.click("#lately li a");
    page.sees("h1", "Intrusion: hall");
    page.sees(".lines", "hall (motion): alarm");
    page.sees("main", "3 of 3");
}

#[test]
fn a_wrong_pin_does_not_disarm_and_the_right_one_does() {
    let house = quiet_house();
    house.api.post("people/Anna/pin", json!({"pin": "258025"}));
    house.api.post("arm", json!({}));
    let page = Browser::at(&house.api, View::Phone);
    page.sees("#state", "Armed, away");
    page.click(".aside a");
    page.sees("h1", "Disarm with a PIN");
    page.write("#pin [name=pin]", "111111");
    page.click("#pin .pad .main");
    page.sees("#notice", "PIN");
    assert_eq!(house.api.state(), "armed_away");
    assert_eq!(
        page.script("return document.querySelector('#pin [name=pin]').value"),
        ""
    );
    // A wrong one slows the next.
    until("the right PIN to be taken", || {
        page.path().starts_with("/pin").then_some(())?;
        page.click("[data-key=clear]");
        for digit in ["2", "5", "8", "0", "2", "5"] {
            page.click(&format!("[data-key='{digit}']"));
        }
        page.click("#pin .pad .main");
        until("an answer", || {
            let busy = page.script("return document.querySelector('form[aria-busy]') !== null");
            (busy == json!(false)).then_some(())
        });
        (house.api.state() == "disarmed").then_some(())
    });
    page.sees("#state", "Disarmed");
    let granted = house.api.events_of("granted");
    assert_eq!(granted.last().unwrap()["data"]["by"]["name"], "Anna");
}

#[test]
fn gas_has_a_loud_face_and_the_fan_is_shown_running() {
    let house = quiet_house();
    let page = Browser::at(&house.api, View::Phone);
    page.sees("#fan", "stands still");
    house.api.set("kitchen gas", true);
    page.sees("#gas-title", "Gas!");
    page.sees("#fan", "The exhaust fan runs");
    page.sees("#state", "Gas! Disarmed");
    let turns =
        page.script("return getComputedStyle(document.querySelector('#fan svg')).animationName");
    assert_eq!(turns, "turn");
    page.sees(".sensors .on", "gas");
    assert!(house.api.output("exhaust"));
}

#[test]
fn what_keeps_the_house_from_being_armed_is_told_and_can_be_overruled() {
    let house = quiet_house();
    house.api.set("front door", true);
    let page = Browser::at(&house.api, View::Phone);
    page.click("#arm [value=away]");
    page.sees("#notice", "\"front door\" is broken");
    assert_eq!(house.api.state(), "disarmed");
    page.click("#notice button");
    page.sees("#state", "Armed, away");
    page.sees("#sensors", "takes no part");
}

#[test]
fn without_scripts_the_house_is_armed_disarmed_and_acknowledged() {
    let house = quiet_house();
    let page = Browser::without_scripts(&house.api);
    page.sees("#link", "As of");
    arms_and_disarms(&page, &house.api);
    page.click("#arm [value=home]");
    page.sees("#state", "Armed, home");
    page.click("#arm [value=away]");
    page.sees("#state", "Armed, away");
    house.api.set("hall", true);
    house.api.until_state("triggered");
    page.open("/");
    page.sees("#state", "Alarm");
    page.click("#do-ack");
    page.sees("#notice", "Acknowledged");
    let status = house.api.status();
    assert_eq!(status["incidents"][0]["acknowledged_by"], "the dashboard");
    // Refused: the page says why.
    page.click("#do-disarm");
    page.sees("#state", "Disarmed");
    house.api.set("front door", true);
    page.click("#arm [value=away]");
    page.sees("#notice", "\"front door\" is broken");
    page.click("#notice button");
    page.sees("#state", "Armed, away");
}

#[test]
fn people_are_given_a_pin_and_forgotten() {
    let house = quiet_house();
    let page = Browser::at(&house.api, View::Desktop);
    page.click("nav [href='/people']");
    page.sees("h1", "People");
    let name = "Ann \"<b>O'Hara</b>\"";
    page.write("#give-pin [name=name]", name);
    page.write("#give-pin [name=pin]", "12345x");
    page.click("#give-pin .main");
    assert_eq!(house.api.get("people")["people"], json!([]), "not a number");
    page.write("#give-pin [name=pin]", "123456");
    page.click("#give-pin .main");
    // What strangers could write is text, and a name for people it is not.
    page.sees("#notice", "<b>O'Hara</b>");
    page.sees("#notice", "is no name to enrol");
    page.write("#give-pin [name=name]", "Ann O'Hara");
    page.write("#give-pin [name=pin]", "123456");
    page.click("#give-pin .main");
    page.sees("#notice", "The PIN is known now");
    page.sees(".people", "Ann O'Hara");
    page.sees(".people", "by a PIN");
    page.click(".people button");
    page.agrees();
    page.sees("#notice", "Forgotten");
    assert_eq!(house.api.get("people")["people"], json!([]));
}

#[test]
fn a_finger_is_taught_touch_by_touch() {
    let house = quiet_house();
    let lay = |finger: Value| {
        let (status, answer) = house
            .api
            .ask("PUT", "sim/finger", &json!({ "finger": finger }));
        assert_eq!(status, 200, "{answer}");
    };
    let page = Browser::at(&house.api, View::Phone);
    page.open("/people");
    page.write("#finger [name=name]", "Anna");
    page.click("#finger .main");
    page.sees("#finger-step", "Lay the finger");
    lay(json!("Anna"));
    page.sees("#finger-step", "Lift it");
    lay(Value::Null);
    page.sees("#finger-step", "once more");
    lay(json!("Anna"));
    page.sees("#finger-step", "Anna is known by this finger");
    page.sees(".people", "by a finger");
}

#[test]
fn while_a_face_is_taught_the_page_says_what_the_camera_misses() {
    // The simulated camera shows a house, and a figure without a face.
    let house = Simulator::with(&[("finger = {", "face = \"camera\"\nfinger = {")]);
    let page = Browser::at(&house.api, View::Phone);
    page.open("/people");
    page.write("#face [name=name]", "Anna");
    page.click("#face .main");
    page.sees("#face-step", "no face is in it");
    assert_eq!(house.api.get("people")["people"], json!([]));
}

#[test]
fn checks_show_what_became_of_them() {
    let house = quiet_house();
    let page = Browser::at(&house.api, View::Phone);
    page.open("/checks");
    page.click("#try [value=email]");
    page.sees(
        "[aria-label='What became of it']",
        "email to Anna: delivered",
    );
    page.click("#walk button");
    page.sees("#walk", "End it");
    house.api.pulse("hall");
    page.sees("ol[role=status]", "hall (motion): walk test");
    page.click("#walk button");
    page.sees("#walk", "Begin");
    page.click("#drill .main");
    page.agrees();
    page.sees(
        "[aria-label='What became of it']",
        "drill of phone:Anna: delivered",
    );
    page.sees("#proven, [aria-labelledby=proven-title]", "just now");
}

#[test]
fn the_history_is_filtered_by_kind() {
    let house = quiet_house();
    house.api.post("arm", json!({}));
    house.api.set("hall", true);
    house.api.until_message("email", "delivered");
    let page = Browser::at(&house.api, View::Desktop);
    page.open("/history");
    page.sees(".gallery", "Intrusion: hall");
    page.click(".tabs a:not([aria-current])");
    page.sees(".lines", "hall (motion): alarm");
    page.click("#filter [value=messages]");
    page.sees(".lines", "email to Anna: delivered");
    until("messages alone", || {
        let text = page.text(".lines")?;
        (!text.contains("(motion)")).then_some(())
    });
    assert!(page.path().contains("kind=messages"), "{}", page.path());
}

#[test]
fn a_lost_connection_is_told_and_mends_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody else takes this port while there is no power.
    let address = later_address().to_string();
    let (service, api) = launched(dir.path(), &address);
    api.post("disarm", json!({}));
    let mut page = Browser::at(&api, View::Phone);
    page.forgive("ERR_");
    page.sees("#link", "Live");
    page.sees_no("#lost");

    // It hangs: nothing comes, and nothing ends.
    service.signal(Signal::STOP);
    page.sees("#lost", "Connection lost. This is how it was at");
    service.signal(Signal::CONT);
    page.sees_no("#lost");
    page.sees("#link", "Live");

    // Its power is cut.
    service.kill();
    page.sees("#lost", "Connection lost");
    let dimmed = page.script("return getComputedStyle(document.querySelector('main')).opacity");
    assert_eq!(dimmed, "0.6");
    let (_service, api) = launched(dir.path(), &address);
    page.sees_no("#lost");
    page.sees("#state", "Disarmed");
    api.post("arm", json!({ "mode": "home" }));
    page.sees("#state", "Arming");
}

#[test]
fn an_error_that_is_no_page_is_told_and_nothing_old_counts_as_fresh() {
    let house = quiet_house();
    let mut page = Browser::at(&house.api, View::Phone);
    page.forgive("status of 404");
    page.sees("#link", "Live");
    page.script("window.fetched = fetch; window.fetch = () => fetched('/nothing')");
    page.click("#arm [value=away]");
    page.sees("#notice", "there is nothing at /nothing");
    house.api.post("arm", json!({ "mode": "night" }));
    page.sees("#lost", "Connection lost");
    assert_eq!(page.text("#state").as_deref(), Some("Disarmed"));
    page.script("window.fetch = fetched");
    page.sees_no("#lost");
    page.sees("#state", "Armed, night");
}

#[test]
fn a_tab_that_was_hidden_shows_what_is_now() {
    let house = quiet_house();
    let page = Browser::at(&house.api, View::Phone);
    page.sees("#link", "Live");
    let elsewhere = page.another_tab();
    house.api.post("arm", json!({ "mode": "night" }));
    page.back_from_another(elsewhere);
    page.sees("#state", "Armed, night");
    page.sees("#link", "Live");
}

/// `asfaleia simulate` here, with its data in this directory.
fn launched(dir: &Path, listen: &str) -> (Running, Api) {
    let mut command = asfaleia();
    command.args(["simulate", "--headless", "--listen", listen]);
    command.arg("--data").arg(dir.join("data"));
    command.stdout(Stdio::piped());
    let mut service = Running::start(command, &dir.join("log"));
    let mut first = String::new();
    let stdout = service.child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut first).unwrap();
    let address = first.trim_end().strip_prefix("listening on http://");
    let address = address.unwrap_or_else(|| panic!("the first line is {first:?}"));
    let api = Api::Tcp(address.parse().unwrap());
    (service, api)
}
