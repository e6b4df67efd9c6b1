//! The pictures of the README: `cargo test --features peers --test browser -- --ignored pictures`
//! writes them into `docs/images`.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::browser::{Browser, View};
use crate::dashboard::quiet_house;

/// As few colours as show no difference: a picture weighs a third.
const FEWER_COLOURS: &str = "import sys
from PIL import Image
for name in sys.argv[1:]:
    Image.open(name).convert('RGB').quantize(200, method=Image.Quantize.MAXCOVERAGE).save(name, optimize=True)";

#[test]
#[ignore = "writes into docs/images"]
fn pictures_of_the_dashboard() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/images");
    std::fs::create_dir_all(&directory).unwrap();
    let mut taken = Vec::new();
    let mut take = |page: &Browser, name: &str| {
        let file = directory.join(name).with_extension("png");
        std::fs::write(&file, page.picture()).unwrap();
        taken.push(file);
    };
    let house = quiet_house();
    house
        .api
        .post("people/Anna/pin", json!({ "pin": "258025" }));
    for what in ["email", "call", "photo"] {
        house.api.post("test", json!({ "what": what }));
    }
    house.api.until_message("email", "delivered");
    let page = Browser::at(&house.api, View::Desktop);
    page.prefer("light");
    page.click("#arm [value=away]");
    page.sees("#state", "Armed, away");
    page.sees_no("#notice");
    take(&page, "dashboard-desktop-light");
    page.show_as(View::Phone);
    page.prefer("dark");
    take(&page, "dashboard-phone-dark");
    house.api.set("hall", true);
    page.sees("#state", "Alarm");
    page.until_loaded(".incident img", 3);
    page.prefer("light");
    take(&page, "dashboard-phone-light");
    page.show_as(View::Desktop);
    page.prefer("dark");
    take(&page, "dashboard-desktop-dark");
    let fewer = Command::new("/usr/bin/python3")
        .args(["-c", FEWER_COLOURS])
        .args(&taken)
        .status();
    assert!(fewer.unwrap().success(), "apt-get install python3-pil");
    for file in taken {
        let bytes = std::fs::metadata(&file).unwrap().len();
        assert!(bytes < 150_000, "{} has {bytes} bytes", file.display());
    }
}
