//! What is refused, by table: each text has one mistake, and «» around what the caret must be
//! under. The finding must be the only one, stand there, and say what is wrong and what is allowed.

use super::{Depth, Rejected, Severity, parse};

/// Sections that most cases lean on.
const MAIL: &str = "\n[email]\nhost = \"localhost\"\nfrom = \"a@b.c\"\n";
const SENSOR: &str = "[[sensor]]\nname = \"hall\"\nkind = \"motion\"\n";
const NODE: &str = "\n[[nodemcu]]\nname = \"kitchen\"\nport = \"/dev/serial/by-id/x\"\n";
const PHONE: &str = "[phone]\naccount-sid = \"AC1\"\nfrom = \"+15005550006\"\n";

fn rejected(text: &str) -> Rejected {
    match parse(text, "house.toml", Depth::Shape) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(rejected) => rejected,
    }
}

fn each(cases: &[(String, &str, &str)]) {
    for (marked, message, help) in cases {
        let start = marked
            .find('«')
            .unwrap_or_else(|| panic!("no mark: {marked}"));
        let end = marked
            .find('»')
            .unwrap_or_else(|| panic!("no mark: {marked}"));
        let text = marked.replace(['«', '»'], "");
        let before = &marked[..start];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let underlined = marked[start + '«'.len_utf8()..end]
            .lines()
            .next()
            .unwrap_or_default();

        let rejected = rejected(&text);
        let shown = rejected.to_string();
        let errors: Vec<_> = rejected
            .diagnostics
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .collect();
        assert_eq!(errors.len(), 1, "{text}\n{shown}");
        let error = errors[0];
        assert_eq!(
            (error.line, error.column),
            (line, column),
            "{text}\n{shown}"
        );
        assert!(
            error.message.contains(message),
            "{message:?} is not in\n{shown}"
        );
        let said = error.help.as_deref().unwrap_or_default();
        assert!(said.contains(help), "{help:?} is not in\n{shown}");
        assert!(
            shown.contains(&format!("house.toml:{line}:{column}")),
            "{shown}"
        );
        let caret = format!(
            "| {}{}",
            " ".repeat(column - 1),
            "^".repeat(underlined.chars().count().max(1))
        );
        assert!(
            shown.lines().any(|line| line.ends_with(&caret)),
            "{caret}\n{shown}"
        );
    }
}

/// A case: marked text, what the message says, what the help says.
fn case(
    marked: impl Into<String>,
    message: &'static str,
    help: &'static str,
) -> (String, &'static str, &'static str) {
    (marked.into(), message, help)
}

#[test]
#[rustfmt::skip]
fn words_and_values_of_a_wrong_form_are_refused() {
    each(&[
        case("[panel]\n«exit_delay» = \"30s\"", "unknown key `exit_delay`", "did you mean `exit-delay`? allowed here: on-boot, exit-delay"),
        case("[«emial»]\nhost = \"a\"", "unknown key `emial`", "did you mean `email`?"),
        case("[camera]\ndevice = { «comand» = [\"a\"] }", "unknown key `comand`", "`command`"),
        case("[panel]\nexit-delay = «30»", "integer `30`", "\"30s\""),
        case("[panel]\nexit-delay = «\"30\"»", "the unit is missing", "\"1h 30m\""),
        case("[panel]\nexit-delay = «\"5min\"»", "\"min\" is no unit", "ms, s, m, h or d"),
        case("[store]\nmax-size = «\"2G\"»", "\"G\" is no unit", "\"2GiB\""),
        case("[panel]\non-boot = «\"aray\"»", "unknown word `aray`", "did you mean `away`?"),
        case("[site]\nid = «\"My Home\"»", "cannot stand in a topic", "a-z, 0-9"),
        case("[site]\nname = «\" \"»", "is no name", "1 to 60"),
        case("[site]\nname = «\"a\\r\\nBcc: x\"»", "is no name", "line breaks"),
        case(format!("{SENSOR}gpio = «54»"), "there is no GPIO 54", "0 to 53"),
        case(format!("{SENSOR}gpio = «-1»"), "there is no GPIO -1", "BCM"),
        case(format!("{SENSOR}gpio = «true»"), "boolean `true`", "\"GPIO18\""),
        case(format!("{SENSOR}simulated = true\nmodes = [«\"awya\"»]"), "unknown word `awya`", "away"),
        case("«[[sensor]]»\nname = \"a\"\nsimulated = true", "`kind` is missing", "add `kind"),
        case("«[sensor]»\nname = \"a\"", "map", "a sequence"),
        case("[camera]\ndevice = «3»", "integer `3`", "\"auto\""),
        case("[camera]\ndevice = «\"webcam\"»", "no camera \"webcam\"", "\"/dev/video0\""),
        case("[camera]\ndevice = «{ command = [] }»", "empty", "rpicam-jpeg"),
        case("[camera]\ndevice = «{ }»", "a command or an address", "url"),
        case("[camera]\ndevice = { url = «\"http://me:pw@cam/\"» }", "login", "without a user name"),
        case("[camera]\nwidth = «0»", "0 is out of range", "16 to 4096"),
        case("[camera]\nheight = «4097»", "out of range", "16 to 4096"),
        case("[camera]\nburst = «0»", "0 is out of range", "1 to 20"),
        case("[camera]\nburst = «21»", "out of range", "1 to 20"),
    ]);
}

#[test]
fn what_is_no_toml_is_refused_with_its_place() {
    let rejected = rejected("[site]\nname = \"Home\nid = \"home\"\n");
    assert_eq!(rejected.diagnostics[0].line, 2, "{rejected}");
    assert!(rejected.to_string().contains("name = \"Home"), "{rejected}");
}

#[test]
#[rustfmt::skip]
fn delays_beyond_their_bounds_are_refused() {
    each(&[
        case("[panel]\nentry-delay = «\"46s\"»", "46s is too long", "45s at most"),
        case("[panel]\nsiren-time = «\"16m\"»", "16m is too long", "15m at most"),
        case("[panel]\nsiren-time = «\"0s\"»", "too short", "1s to 15m"),
        case(format!("{SENSOR}gpio = 1\ndebounce = «\"11s\"»"), "too long", "10s at most"),
        case("[messages]\ngive-up = «\"0s\"»", "too short", "1s"),
        case("[store]\nmax-size = «\"1kB\"»", "too little", "1MB"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_sensor_has_one_source_that_exists() {
    let gas = "[[sensor]]\nname = \"g\"\nkind = \"gas\"\n";
    each(&[
        case("[[sensor]]\nname = «\"hall\"»\nkind = \"motion\"", "\"hall\" has no source", "exactly one of `gpio"),
        case(format!("{SENSOR}gpio = 1\nsimulated = «true»"), "two sources", "exactly one"),
        case(format!("{SENSOR}simulated = true\n[[sensor]]\nname = «\"Hall\"»\nkind = \"beam\"\nsimulated = true"), "\"Hall\"", "not only in case"),
        case(format!("{gas}nodemcu = «\"kitchen.gas\"»"), "no [[nodemcu]] called \"kitchen\"", "add a [[nodemcu]]"),
        case(format!("{gas}nodemcu = «\"kichen.gas\"»{NODE}"), "no [[nodemcu]] called \"kichen\"", "allowed: kitchen"),
        case(format!("{gas}nodemcu = «\"kitchen.raw\"»{NODE}"), "no key \"raw\"", "\"kitchen.gas\" and \"kitchen.beam\""),
        case(format!("{gas}nodemcu = «\"kitchen\"»{NODE}"), "no key \"\"", "\"kitchen.gas\""),
        case(format!("{gas}nodemcu = «\"kitchen.beam\"»{NODE}"), "kind \"gas\" cannot read", ".beam for any other"),
        case(format!("{SENSOR}mqtt = «{{ topic = \"a\" }}»"), "no broker", "[mqtt]"),
        case(format!("[mqtt]\n{SENSOR}mqtt = {{ topic = «\"a/#\"» }}"), "no topic of one sensor", "wildcards"),
        case(format!("[mqtt]\n{SENSOR}mqtt = {{ topic = «\"\"» }}"), "no topic", "wildcards"),
        case(format!("[mqtt]\n{SENSOR}mqtt = {{ topic = \"a\", json = «\"occupancy\"» }}"), "no JSON pointer", "\"/occupancy\""),
        case(format!("[mqtt]\n{SENSOR}mqtt = {{ topic = \"a\", json = «\"/a~2\"» }}"), "no JSON pointer", "~0"),
        case(format!("[mqtt]\n{SENSOR}mqtt = «{{ topic = \"a\", payload-on = \"0\" }}»"), "both \"0\"", "two different"),
        case(format!("[mqtt]\n{SENSOR}mqtt = {{ topic = \"a\" }}\nactive = «\"low\"»"), "no level", "payload-on"),
        case("[[nodemcu]]\nname = «\"a\"»", "no port", "exactly one of `port"),
        case("[[nodemcu]]\nname = \"a\"\nport = «\"ttyUSB0\"»", "absolute path", "by-id"),
        case("[[nodemcu]]\nname = \"a\"\nusb = { vendor = «\"1a8\"», product = \"7523\" }", "no USB id", "four hexadecimal"),
        case("[[nodemcu]]\nname = \"a\"\nport = \"/dev/x\"\n[[nodemcu]]\nname = \"b\"\nport = «\"/dev/x\"»", "this port already", "one node a port"),
        case("[[nodemcu]]\nname = \"a\"\nport = \"/dev/x\"\n[[nodemcu]]\nname = «\"a\"»\nport = \"/dev/y\"", "called \"a\"", "differ"),
    ]);
}

#[test]
#[rustfmt::skip]
fn a_pin_is_used_once_however_it_is_written() {
    each(&[
        case(format!("[gpio]\nbackend = \"rppal\"\n{SENSOR}gpio = «\"PIR\"»"), "no names of lines", "BCM number"),
        case(format!("[gpio]\nbackend = \"rppal\"\n{SENSOR}gpio = 4\nbias = «\"as-is\"»"), "leave a bias as it is", "gpiochip"),
        case("[gpio]\nbackend = \"rppal\"\n[access]\nrequire = [[\"face\"]]\nface = { gpio = 24, bias = «\"as-is\"» }", "leave a bias as it is", "gpiochip"),
        case("[gpio]\nbackend = \"rppal\"\n[access]\nrequire = [[\"finger\"]]\nfinger = { gpio = 21, bias = «\"as-is\"» }", "leave a bias as it is", "gpiochip"),
        case(format!("{SENSOR}gpio = 12\n[buzzer]\ngpio = «\"GPIO12\"»"), "GPIO 12 is used twice: by [buzzer], and by the sensor \"hall\" in line 4", "same pin"),
        case("[buzzer]\ngpio = 4\n[exhaust]\ngpio = «4»", "by [exhaust], and by [buzzer]", "every pin once"),
        case("[buzzer]\ngpio = \"X1\"\n[exhaust]\ngpio = «\"X1\"»", "the line \"X1\" is used twice", "every pin once"),
        case("[buzzer]\ngpio = 21\n[access]\nrequire = [[\"finger\"]]\nfinger = { gpio = «21» }", "[access] finger", "every pin once"),
        case("«[buzzer]»\nactive = \"low\"", "[buzzer] has no wire", "simulated = true"),
        case("[exhaust]\ngpio = 4\nsimulated = «true»", "a wire and is simulated", "gpio"),
    ]);
}

#[test]
#[rustfmt::skip]
fn what_a_sensor_is_asked_to_do_fits_its_kind() {
    let panic = "[[sensor]]\nname = \"p\"\nkind = \"panic\"\nsimulated = true\n";
    let gas = "[[sensor]]\nname = \"g\"\nkind = \"gas\"\nsimulated = true\n";
    let hall = format!("{SENSOR}simulated = true\n");
    each(&[
        case(format!("{panic}entry = «\"delayed\"»"), "kind \"panic\" is never delayed", "instant"),
        case(format!("{gas}entry = «\"follower\"»"), "kind \"gas\" is never delayed", "instant"),
        case(format!("{gas}pulses = «2»"), "one long activation", "1"),
        case(format!("{gas}confirm-with = «{{ sensors = [\"hall\"] }}»\n{hall}"), "waits for nobody", "leave `confirm-with` out"),
        case(format!("{hall}confirm-with = {{ sensors = [«\"hall\"»] }}"), "cannot confirm itself", "another"),
        case(format!("{hall}confirm-with = {{ sensors = [«\"hal\"»] }}\n{panic}"), "no sensor \"hal\"", "allowed: p"),
        case(format!("{hall}confirm-with = {{ sensors = [«\"g\"»] }}\n{gas}"), "confirms no intrusion", "another kind"),
        case(format!("{hall}confirm-with = «{{ sensors = [] }}»"), "no sensor is named", "sensors = ["),
        case(format!("{hall}modes = «[]»"), "never alarms", "\"away\""),
        case(format!("{hall}pulses = «0»"), "out of range", "1 to 100"),
        case(format!("{hall}pulses = 3\nhold = «\"5s\"»\nwithin = \"10s\""), "3 activations of 5s each never fit into 10s", "at most `within`"),
    ]);
}

#[test]
#[rustfmt::skip]
fn people_are_reached_by_addresses_that_can_be() {
    let contact = "[[contact]]\nname = \"Anna\"\n";
    each(&[
        case("[[contact]]\nname = «\"Anna\"»", "cannot be reached", "email"),
        case(format!("{contact}phone = «\"+3021 0123\"»"), "no telephone number", "+302101234567"),
        case(format!("{contact}phone = «\"2101234567\"»"), "no telephone number", "international"),
        case(format!("{contact}phone = «\"+0123456789\"»"), "no telephone number", "international"),
        case(format!("{contact}phone = «\"+1234567890123456\"»"), "no telephone number", "15 digits"),
        case(format!("{contact}phone = «\"112\"»"), "emergency number", "never"),
        case(format!("{contact}phone = «\"+30112\"»"), "emergency number", "never"),
        case(format!("{contact}phone = «\"+1911\"»"), "emergency number", "never"),
        case(format!("{contact}phone = «\"+44999\"»"), "emergency number", "never"),
        case(format!("{contact}phone = «\"166\"»"), "emergency number", "never"),
        case(format!("{contact}email = «\"anna\"»"), "no mail address", "anna@example.org"),
        case(format!("{contact}email = «\"anna@\"»"), "no mail address", "anna@example.org"),
        case("[email]\nhost = \"smtp.example.org\"\nfrom = \"a@b.c\"\nsecurity = «\"plaintext\"»", "smtp.example.org would leave this machine readable", "starttls"),
        case("[email]\nhost = \"127.0.0.1.example.org\"\nfrom = \"a@b.c\"\nsecurity = «\"plaintext\"»", "readable", "::1"),
        case(format!("{}username = «\"me\"»", MAIL.trim_start()), "no `password-file`", "both or neither"),
        case(format!("{}password-file = «\"/x\"»", MAIL.trim_start()), "no `username`", "both or neither"),
        case(PHONE.replace("[phone]", "«[phone]»"), "login to the telephone service is missing", "api-key"),
        case(format!("{PHONE}auth-token-file = «\"/x\"»\napi-key = \"SK\"\napi-secret-file = \"/y\""), "two logins", "auth-token-file"),
        case(format!("{PHONE}api-key = «\"SK\"»"), "no `api-secret-file`", "both or neither"),
        case(format!("{PHONE}auth-token-file = \"/x\"\nbase-url = «\"http://api.example.org\"»"), "token would leave this machine", "https"),
        case(format!("{PHONE}auth-token-file = \"/x\"\nrounds = «0»"), "out of range", "1 to 10"),
        case(PHONE.replace("\"AC1\"", "«\"AC/1\"»") + "auth-token-file = \"/x\"", "no account SID", "letters and digits"),
    ]);
}

#[test]
#[rustfmt::skip]
fn access_asks_for_what_can_be_read() {
    each(&[
        case("[access]\nrequire = «[]»", "nobody", "\"pin\""),
        case("[access]\nrequire = «[[\"pin\"], []]»", "everybody", "\"pin\""),
        case("[access]\nrequire = [[«\"fase\"»]]", "unknown word `fase`", "face"),
        case("[access]\nrequire = «[[\"face\"], [\"pin\"]]»", "\"face\" is asked for", "\"camera\" or { gpio = 24 }"),
        case("[access]\nrequire = «[[\"finger\"]]»", "\"finger\" is asked for", "/dev/serial0"),
        case("[access]\nrequire = [[\"face\"]]\nface = «\"camera\"»", "there is none", "[camera]"),
        case("[access]\nrequire = [[\"face\"]]\nface = «\"webcam\"»", "\"webcam\"", "gpio = 24"),
        case("[access]\nrequire = [[\"finger\"]]\nfinger = «{ baud = 9600 }»", "a port or a wire", "gpio = 21"),
        case("[access]\nrequire = [[\"finger\"]]\nfinger = { port = \"/dev/x\", baud = «57601» }", "57601 baud", "multiples of 9600"),
    ]);
}

#[test]
#[rustfmt::skip]
fn what_crosses_a_network_is_encrypted_and_keeps_its_secrets() {
    let hook = "[[webhook]]\nname = \"h\"\n";
    each(&[
        case("[web]\nlisten = «\"0.0.0.0:8080\"»", "logins would cross the network", "behind-proxy"),
        case("[web]\nlisten = «\"8080\"»", "no address to listen at", "127.0.0.1:8080"),
        case("[mqtt]\ntls = «false»\nca-file = \"/x\"", "TLS is switched off", "leave"),
        case(format!("{hook}url = «\"http://example.org/\"»"), "readable by everybody", "https"),
        case(format!("{hook}url = «\"ftp://example.org/\"»"), "no address of a web server", "https://"),
        case(format!("{hook}url = «\"nonsense\"»"), "no address", "https://"),
        case(format!("{hook}url = «\"https://παράδειγμα.gr/\"»"), "begins with xn--", "https://"),
        case("[[webhook]]\nname = «\"h\"»", "no address", "url-file"),
        case(format!("{hook}url = \"https://a.b/\"\nurl-file = «\"/x\"»"), "two addresses", "one of"),
        case(format!("{hook}url = \"https://a.b/\"\nbody = «\"{{{{ title\"»"), "does not compile", "{{ title }}"),
        case(format!("{hook}url = \"https://a.b/\"\nheaders = {{ Authorization = «\"Bearer x\"» }}"), "a secret does not belong", "header-files"),
        case(format!("{hook}url = \"https://a.b/\"\nheaders = {{ \"a b\" = «\"x\"» }}"), "no header's name", "letters"),
        case(format!("{hook}url = \"https://a.b/\"\nmethod = «\"post\"»"), "unknown word `post`", "POST"),
        case("[drill]\nevery = «\"12h\"»", "too short", "1d"),
        case("[drill]\nevery = «\"36h\"»", "days apart", "whole days"),
        case("[drill]\nevery = \"30d\"\nat = «\"9:00\"»", "no time of day", "\"11:00\""),
        case("[drill]\nevery = \"30d\"\nat = «\"24:00\"»", "no time of day", "\"11:00\""),
        case("[messages]\nheartbeat = «\"http://example.org/\"»", "readable", "https"),
    ]);
}

#[test]
fn all_that_is_wrong_is_told_at_once_in_the_order_of_the_file() {
    let text = "[panel]\nentry-delay = \"1m\"\nsiren = \"3m\"\n\
        [[sensor]]\nname = \"hall\"\nkind = \"motion\"\ngpio = 4\nconfirm-with = { sensors = [\"door\", \"x\"] }\n\
        [[sensor]]\nname = \"door\"\nkind = \"beam\"\nhold = 5\ngpio = \"GPIO4\"\nmodez = []\n\
        [[sensor]]\nname = \"gas\"\nkind = \"smoke\"\nnodemcu = \"kitchen.gas\"\n\
        [[nodemcu]]\nname = \"kitchen\"\nport = 7\n\
        [email]\nhost = 5\nfrom = \"nobody\"\n[phone]\n[[contact]]\nname = \"A\"\nphone = \"112\"\n";
    let rejected = rejected(text);
    let errors: Vec<(usize, &str)> = rejected
        .diagnostics
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| (finding.line, finding.message.as_str()))
        .collect();
    let expected = [
        (2, "too long"),
        (3, "unknown key `siren`"),
        (8, "no sensor \"x\""),
        (12, "integer `5`"),
        (13, "GPIO 4 is used twice"),
        (14, "unknown key `modez`"),
        (17, "unknown word `smoke`"),
        (21, "integer `7`"),
        (23, "integer `5`"),
        (24, "no mail address"),
        (25, "is missing"),
        (28, "emergency"),
    ];
    assert_eq!(errors.len(), expected.len(), "{rejected}");
    for ((line, message), (at, fragment)) in errors.iter().zip(expected) {
        assert_eq!(*line, at, "{rejected}");
        assert!(message.contains(fragment), "{rejected}");
    }
    assert!(rejected.to_string().ends_with("12 errors"), "{rejected}");
}

#[test]
fn no_finding_shows_a_whole_telephone_number_or_a_secret() {
    let text = "[[contact]]\nname = \"A\"\nphone = \"+30 2109876543\"\n[email]\npassword = \"hunter2\"\nhost = \"h\"\nfrom = \"a@b.c\"\n";
    let shown = rejected(text).to_string();
    assert!(
        !shown.contains("hunter2") && !shown.contains("9876543"),
        "{shown}"
    );
}

#[test]
#[rustfmt::skip]
fn what_is_merely_odd_is_a_warning_at_its_place() {
    for (text, line, message) in [
        ("[site]\n", 1, "nothing is watched"),
        ("[site]\n", 1, "nobody is told"),
        ("[site]\n[email]\nhost = \"localhost\"\nfrom = \"a@b.c\"\n", 2, "no contact has an email"),
        ("[[contact]]\nname = \"A\"\nphone = \"+302101234567\"\n", 3, "no telephone service"),
        ("[[sensor]]\nname = \"p\"\nkind = \"panic\"\nsimulated = true\nmodes = [\"away\"]\n", 5, "every mode"),
        ("[[sensor]]\nname = \"p\"\nkind = \"beam\"\nsimulated = true\nsilent-after = \"5s\"\n", 5, "never silent"),
        ("[[sensor]]\nname = \"p\"\nkind = \"beam\"\nsimulated = true\nbias = \"none\"\n", 5, "`bias`"),
        ("[[sensor]]\nname = \"p\"\nkind = \"contact\"\ngpio = 22\n", 4, "never triggers"),
        ("[[nodemcu]]\nname = \"a\"\nport = \"/dev/ttyUSB0\"\n", 3, "may change"),
        ("[[nodemcu]]\nname = \"a\"\nport = \"/dev/ttyUSB0\"\n", 2, "no sensor uses"),
        ("[[sensor]]\nname = \"g\"\nkind = \"gas\"\nsimulated = true\nhold = \"5s\"\n", 5, "the fan starts at once"),
        ("[exhaust]\nsimulated = true\n", 1, "no gas sensor"),
        ("[access]\nrequire = [[\"face\"]]\nface = { gpio = 24 }\n", 2, "photograph"),
        ("[mqtt]\nhost = \"h\"\nusername = \"u\"\npassword-file = \"/x\"\n", 3, "crosses the network"),
    ] {
        let loaded = parse(text, "house.toml", Depth::Shape).unwrap_or_else(|why| panic!("{why}"));
        let found = loaded
            .warnings
            .iter()
            .find(|warning| warning.message.contains(message));
        let found = found.unwrap_or_else(|| panic!("{message}: {:?}", loaded.warnings));
        assert_eq!(
            (found.line, found.severity),
            (line, Severity::Warning),
            "{found}"
        );
    }
}
