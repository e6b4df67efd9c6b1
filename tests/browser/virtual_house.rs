//! The virtual house of `simulate`, walked through.

use serde_json::json;

use crate::api::until;
use crate::browser::{Browser, View};
use crate::everybody::{axe, finds_nothing};
use crate::process::House;

/// The page of a house that was just built.
fn opened(house: &House, view: View) -> Browser {
    let mut browser = Browser::at(&house.api, view);
    // While there is no power nobody answers, and what was on its way breaks off.
    browser.forgive("status of 503");
    browser.forgive("ERR_");
    browser.open("/house");
    browser.sees("#state-word", "Armed: away");
    browser
}

fn is(browser: &Browser, css: &str) {
    until(&format!("{css} on the page"), || {
        let found = browser.script(&format!("return !!document.querySelector({})", json!(css)));
        (found == json!(true)).then_some(())
    });
}

#[test]
fn a_walk_into_the_hall_rings_mails_a_photo_and_calls() {
    let house = House::start();
    let browser = opened(&house, View::Desktop);
    // Its way leads through the front door.
    browser.click("[data-room='hall']");
    browser.sees("#state-word", "ALARM");
    is(&browser, ".horn.on");
    // The telephone rings, and goes on ringing until somebody decides.
    browser.sees("#call-who", "Anna");
    browser.click("[data-answer='answer']");
    browser.sees("#call-words", "eam broken at front door");
    browser.click("[data-answer='hang-up']");
    browser.sees("#calls", "Anna answered");
    // The mail is there, with a photo that was loaded.
    browser.sees("#mails", "ALARM beam broken at front door");
    until("a photo in the mail", || {
        let width = browser.script(
            "const photo = document.querySelector('.mail[open] img'); return photo?.naturalWidth ?? 0",
        );
        (width == json!(640)).then_some(())
    });
    browser.sees("#lines", "the sensor takes part in this mode");
    browser.click("[data-command='disarm']");
    browser.sees("#state-word", "Disarmed");
}

#[test]
fn a_gas_tap_turns_the_fan_and_a_power_cut_darkens_the_house_until_it_is_over() {
    let house = House::start();
    let browser = opened(&house, View::Desktop);
    browser.click("[data-sensor='kitchen gas']");
    is(&browser, ".fan.on");
    browser.sees("#state-more", "GAS");
    browser.click("#power");
    browser.sees("#state-word", "No power");
    is(&browser, "body.dark");
    until("the process to be killed", || {
        house.daemons().is_empty().then_some(())
    });
    browser.click("#power");
    browser.sees("#state-word", "Armed: away");
    is(&browser, ".fan.on");
    is(&browser, "body:not(.dark)");
    browser.sees("#mails", "ALARM gas at kitchen gas");
    browser.click("[data-sensor='kitchen gas']");
    is(&browser, ".gas:not(.active)");
    is(&browser, ".fan.on"); // for the run-on
}

#[test]
fn on_a_phone_the_house_fits_and_the_figure_obeys_the_arrow_keys() {
    let house = House::start();
    let browser = opened(&house, View::Phone);
    browser.fits();
    let place = || browser.script("return Number(document.querySelector('.figure').dataset.y)");
    let before = place().as_i64().unwrap();
    browser.press_on("#plan", "\u{E013}\u{E013}\u{E013}"); // up, three times
    until("three steps", || {
        (place().as_i64() == Some(before - 3 * 14)).then_some(())
    });
    // Through the beam at the front door.
    browser.press_on("#plan", &"\u{E013}".repeat(12));
    browser.sees("#state-word", "ALARM");
    browser.sees("#lines", "front door (beam)");
}

#[test]
fn nothing_keeps_somebody_from_using_the_virtual_house() {
    let house = House::start();
    let axe = axe();
    let browser = opened(&house, View::Desktop);
    let looks = |what: &str| {
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            finds_nothing(&browser, &axe, &format!("{what}, {scheme}"));
        }
    };
    browser.sees("#nights", "Play");
    looks("armed");
    browser.click("[data-room='hall']");
    browser.sees("#call-who", "Anna");
    browser.sees("#mails", "ALARM beam broken at front door");
    looks("an alarm");
    browser.click("#power");
    browser.sees("#state-word", "No power");
    looks("no power");
}

#[test]
fn nobody_walks_through_a_wall_but_there_is_a_way_to_every_room() {
    let house = House::start();
    let browser = opened(&house, View::Desktop);
    browser.click("[data-command='disarm']");
    browser.sees("#state-word", "Disarmed");
    let at = |axis: &str| {
        let read = format!("return Number(document.querySelector('.figure').dataset.{axis})");
        browser.script(&read).as_f64().unwrap()
    };
    let wall = browser.script(
        "const rooms = [...document.querySelectorAll('.room')].map(room => room.getBBox());
         return Math.max(...rooms.map(room => room.y + room.height))",
    );
    let wall = wall.as_f64().unwrap();
    // Beside the way in, and then as far into the house as a wall lets through.
    browser.press_on("#plan", &"\u{E014}".repeat(8));
    browser.press_on("#plan", &"\u{E013}".repeat(8));
    until("the wall", || {
        (at("y") > wall && at("y") < wall + 24.0).then_some(())
    });
    let rooms = browser
        .script("return [...document.querySelectorAll('.room')].map(room => room.dataset.room)");
    for room in rooms.as_array().unwrap() {
        let place = format!("[data-room={room}]");
        until(&format!("the figure in {room}"), || {
            browser.click(&place);
            let inside = browser.script(&format!(
                "const {{ x, y, width, height }} = document.querySelector({}).getBBox();
                 const at = document.querySelector('.figure').dataset;
                 return at.x > x && at.x < x + width && at.y > y && at.y < y + height",
                json!(place)
            ));
            (inside == json!(true)).then_some(())
        });
    }
}

#[test]
fn a_scenario_is_played_at_sixty_times_the_pace() {
    let house = House::start();
    let browser = opened(&house, View::Desktop);
    browser.click("#speed option[value='60']");
    browser.click("[data-scenario='gas-leak']");
    browser.sees("[data-scenario='gas-leak']", "Playing");
    is(&browser, ".fan.on");
    browser.sees("#lines", "no gas for the whole run-on");
    browser.sees("#lines", "acknowledged by Ben");
}

#[test]
#[ignore = "writes into docs/images"]
fn picture_of_the_virtual_house() {
    let house = House::start();
    let browser = opened(&house, View::Desktop);
    browser.prefer("light");
    browser.click("[data-room='hall']");
    browser.sees("#mails", "ALARM beam broken at front door");
    browser.click("[data-answer='answer']");
    browser.sees("#call-words", "eam broken at front door");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/images/virtual-house.png");
    std::fs::write(file, browser.picture()).unwrap();
}
