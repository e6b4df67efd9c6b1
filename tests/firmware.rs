//! The NodeMCU's firmware on a desk: its protocol, compiled by g++, against the program's parser, and
//! the sketch itself on a made-up board whose network hangs.

#![allow(clippy::unwrap_used)] // A test ends where something is not as it was made.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use asfaleia::config::{self, Depth};
use asfaleia::sensors::line::{self, Line, LineBuffer};
use fastrand::Rng;
use tempfile::TempDir;

/// The same values at each run. Another seed: `ASFALEIA_SEED=7 cargo test --features peers`.
fn random() -> Rng {
    let seed = std::env::var("ASFALEIA_SEED").map_or(4, |seed| seed.parse().unwrap());
    println!("seed {seed}");
    Rng::with_seed(seed)
}

fn in_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn compile(flags: &[&str], places: &[PathBuf], source: &str, program: &Path) {
    let output = Command::new("g++")
        .args(["-pedantic", "-Wall", "-Wextra", "-Werror"])
        .args(flags)
        .args(places.iter().map(|place| format!("-I{}", place.display())))
        .arg(in_project(source))
        .arg("-o")
        .arg(program)
        .output()
        .expect("these tests need g++ (Debian: g++; tests/run installs it)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// What `tests/firmware/lines.cpp` answers, a line for each question.
fn ask(questions: String) -> Vec<String> {
    static PROGRAM: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("lines");
        let flags = ["-std=c++11", "-Wconversion"];
        let header = [in_project("firmware/nodemcu")];
        compile(&flags, &header, "tests/firmware/lines.cpp", &program);
        (directory, program)
    });
    let mut process = Command::new(&PROGRAM.1)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut questions_to = process.stdin.take().unwrap();
    let asking = std::thread::spawn(move || questions_to.write_all(questions.as_bytes()).unwrap());
    let output = process.wait_with_output().unwrap();
    asking.join().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    answers.split_terminator('\n').map(str::to_owned).collect()
}

fn value<T: Into<i32>>(value: Option<T>) -> i32 {
    value.map_or(-1, Into::into)
}

fn parsed(text: &str) -> Line {
    line::parse(text.as_bytes()).unwrap_or_else(|why| panic!("{text:?}: {why}"))
}

fn any_name(random: &mut Rng) -> String {
    let letters = b"abcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..random.usize(1..=40))
        .map(|_| char::from(letters[random.usize(..letters.len())]))
        .collect()
}

/// A number of any length, and often one at an edge.
fn any_number(random: &mut Rng) -> u32 {
    match random.u32(..4) {
        0 => [0, 9, 10, 99_999, 999_999_999, u32::MAX - 1, u32::MAX][random.usize(..7)],
        _ => random.u32(..) >> random.u32(..32),
    }
}

fn any_line(random: &mut Rng) -> Line {
    let raw = [0, 1023, random.u16(..1024)][random.usize(..3)];
    let line = Line {
        node: any_name(random),
        seq: any_number(random),
        uptime: any_number(random),
        gas: random.bool().then(|| random.bool()),
        raw: random.bool().then_some(raw),
        beam: random.bool().then(|| random.bool()),
    };
    if (line.gas, line.raw, line.beam) == (None, None, None) {
        return any_line(random);
    }
    line
}

#[test]
fn what_the_node_writes_is_what_we_read_and_byte_for_byte_what_we_write() {
    let mut random = random();
    let mut lines: Vec<Line> = (0..50_000).map(|_| any_line(&mut random)).collect();
    lines.push(Line {
        node: "x".repeat(40),
        seq: u32::MAX,
        uptime: u32::MAX,
        gas: Some(true),
        raw: Some(1023),
        beam: Some(true),
    });
    let questions = lines.iter().fold(String::new(), |mut text, line| {
        let (gas, raw, beam) = (value(line.gas), value(line.raw), value(line.beam));
        let (node, seq, uptime) = (&line.node, line.seq, line.uptime);
        writeln!(text, "line {node} {seq} {uptime} {gas} {raw} {beam}").unwrap();
        text
    });
    let answers = ask(questions);
    assert_eq!(answers.len(), lines.len());
    for (answer, line) in answers.iter().zip(&lines) {
        assert_eq!(parsed(answer), *line);
        assert_eq!(format!("{answer}\n"), line::write(line));
    }
    let longest = answers.iter().map(String::len).max().unwrap();
    assert!(longest < 128, "the node's port takes {longest} at once");
    assert!(longest < LineBuffer::LONGEST);
}

#[test]
fn the_node_takes_the_names_that_the_configuration_takes() {
    let fits = |name: &str| {
        let file = format!(
            "[[nodemcu]]\nname = {name:?}\nport = \"/dev/ttyUSB0\"\n\
             [[sensor]]\nname = \"gas\"\nkind = \"gas\"\nnodemcu = \"{name}.gas\"\n"
        );
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("asfaleia.toml");
        fs::write(&path, file).unwrap();
        config::load(&path, Depth::Shape).is_ok()
    };
    let mut random = random();
    let mut names: Vec<String> = ["", "a", "A", "the kitchen", "küche", "a.b", "a*b", "a=b"]
        .map(str::to_owned)
        .into();
    names.extend([39, 40, 41].map(|count| "k".repeat(count)));
    names.extend((0..50).map(|_| any_name(&mut random)));
    let questions = names.iter().map(|name| format!("name {name}\n")).collect();
    let taken = ask(questions);
    for (name, taken) in names.iter().zip(taken) {
        assert_eq!(taken == "1", fits(name), "{name:?}");
    }
}

/// A node's life: what its pins show and when, and what it says.
struct Life {
    questions: String,
}

/// What came of a tick.
#[derive(Debug)]
struct Said {
    at: u32,
    lamp: bool,
    line: Option<Line>,
}

impl Life {
    fn begin(first_seq: u32) -> Self {
        let questions = format!("node kitchen {first_seq}\n");
        Life { questions }
    }

    fn tick(&mut self, at: u32, gas: bool, missing: bool) {
        let (gas, missing) = (u8::from(gas), u8::from(missing));
        writeln!(self.questions, "tick {at} {gas} 300 -1 {missing}").unwrap();
    }

    fn said(self) -> Vec<Said> {
        let said = |answer: &String| {
            let mut words = answer.splitn(3, ' ');
            let at = words.next().unwrap().parse().unwrap();
            let lamp = words.next().unwrap() == "1";
            let text = words.next().unwrap();
            let line = (!text.is_empty()).then(|| parsed(text));
            Said { at, lamp, line }
        };
        ask(self.questions).iter().map(said).collect()
    }

    fn lines(self) -> Vec<(u32, Line)> {
        let said = self.said().into_iter();
        said.filter_map(|said| Some((said.at, said.line?)))
            .collect()
    }
}

#[test]
fn a_line_comes_each_second_and_at_once_on_a_change() {
    let mut life = Life::begin(0);
    for at in 0..10_000 {
        life.tick(at, (4_400..7_700).contains(&at), false);
    }
    let said: Vec<_> = (life.lines().iter())
        .map(|(at, line)| (*at, line.seq, line.uptime, line.gas.unwrap()))
        .collect();
    let settle = 29; // Lasts 30 ms, of which the first was at 4,399.
    assert_eq!(
        said,
        [
            (0, 0, 0, false),
            (1_000, 1, 1, false),
            (2_000, 2, 2, false),
            (3_000, 3, 3, false),
            (4_000, 4, 4, false),
            (4_400 + settle, 5, 4, true),
            (5_000, 6, 5, true),
            (6_000, 7, 6, true),
            (7_000, 8, 7, true),
            (7_700 + settle, 9, 7, false),
            (8_000, 10, 8, false),
            (9_000, 11, 9, false),
        ]
    );
}

#[test]
fn gas_at_the_start_is_in_the_first_line() {
    let mut life = Life::begin(0);
    life.tick(17, true, false);
    assert_eq!(life.lines()[0].1.gas, Some(true));
}

#[test]
fn the_clock_and_the_count_wrap_around_and_the_seconds_go_on() {
    let mut life = Life::begin(u32::MAX - 2);
    // Arduino's millis() wraps after 49.7 days.
    let begin = u32::MAX - 2_500;
    for passed in 0..6_000 {
        life.tick(begin.wrapping_add(passed), passed >= 3_200, false);
    }
    let said: Vec<_> = (life.lines().iter())
        .map(|(at, line)| (at.wrapping_sub(begin), line.seq, line.uptime))
        .collect();
    assert_eq!(
        said,
        [
            (0, u32::MAX - 2, 0),
            (1_000, u32::MAX - 1, 1),
            (2_000, u32::MAX, 2),
            (3_000, 0, 3),
            (3_229, 1, 3),
            (4_000, 2, 4),
            (5_000, 3, 5),
        ]
    );
}

#[test]
fn a_pin_that_bounces_is_one_change() {
    let mut life = Life::begin(0);
    for at in 0..3_000 {
        // It shows gas for 20 ms and then not for 5, until it stays.
        let bounces = (500..1_500).contains(&at) && at % 25 < 20;
        life.tick(at, bounces || at >= 1_500, false);
    }
    let lines = life.lines();
    let on = lines.iter().find(|(_, line)| line.gas == Some(true));
    assert_eq!(on.map(|(at, _)| *at), Some(1_529));
    assert_eq!(lines.len(), 4, "{lines:?}");
}

#[test]
fn whatever_the_pins_do_the_lines_come_in_time_and_show_only_what_stayed() {
    let mut random = random();
    for _ in 0..20 {
        let mut life = Life::begin(0);
        let mut shown = Vec::new();
        let (mut at, mut gas) = (random.u32(..), random.bool());
        for _ in 0..5_000 {
            at = at.wrapping_add(random.u32(1..6));
            gas ^= random.u32(..12) == 0;
            life.tick(at, gas, false);
            shown.push((at, gas));
        }
        let lines = life.lines();
        for pair in lines.windows(2) {
            let [(before, old), (at, new)] = pair else {
                unreachable!("windows of two")
            };
            let passed = at.wrapping_sub(*before);
            assert!(passed < 1_006, "{passed} ms without a line");
            assert_eq!(new.seq, old.seq + 1);
            if new.gas == old.gas {
                continue;
            }
            let stayed = (shown.iter().rev())
                .skip_while(|(then, _)| then != at)
                .take_while(|(then, _)| at.wrapping_sub(*then) < 24);
            for (then, gas) in stayed {
                assert_eq!(Some(*gas), new.gas, "at {then}, before {at}");
            }
        }
    }
}

#[test]
fn after_a_pause_there_is_one_line_and_not_one_for_each_second() {
    let mut life = Life::begin(0);
    for at in [0, 1, 7_500, 7_501, 8_499, 8_500] {
        life.tick(at, false, false);
    }
    let said: Vec<_> = (life.lines().iter())
        .map(|(at, line)| (*at, line.uptime))
        .collect();
    assert_eq!(said, [(0, 0), (7_500, 7), (8_500, 8)]);
}

#[test]
fn the_lamp_blinks_once_twice_without_its_network_and_shines_at_gas() {
    let lit = |gas, missing| {
        let mut life = Life::begin(0);
        for at in 0..2_000 {
            life.tick(at, gas, missing);
        }
        let said = life.said();
        let blinks = said.windows(2).filter(|two| !two[0].lamp && two[1].lamp);
        (blinks.count(), said.iter().filter(|said| said.lamp).count())
    };
    // Lit from the start, so that the first blink does not begin here.
    assert_eq!(lit(false, false), (1, 100));
    assert_eq!(lit(false, true), (3, 200));
    assert_eq!(lit(true, true), (0, 2_000));
}

/// The sketch with these settings: what it sends in two minutes, as `tests/firmware/sketch.cpp` says.
fn run_sketch(settings: &str) -> Vec<(u32, String, String)> {
    let board = tempfile::tempdir().unwrap();
    for file in ["nodemcu.ino", "network.h", "asfaleia_line.h"] {
        let from = in_project("firmware/nodemcu").join(file);
        fs::copy(from, board.path().join(file)).unwrap();
    }
    fs::write(board.path().join("settings.h"), settings).unwrap();
    let program = board.path().join("sketch");
    let places = [board.path().into(), in_project("tests/firmware/arduino")];
    // What the ESP8266's core 3 compiles sketches as.
    let flags = ["-std=gnu++17", "-Wno-unused-variable"];
    compile(&flags, &places, "tests/firmware/sketch.cpp", &program);
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let words = |line: &str| {
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        let at = words.next().unwrap().parse().unwrap();
        (at, words.next().unwrap(), words.next().unwrap())
    };
    text.lines().map(words).collect()
}

fn example_settings() -> String {
    fs::read_to_string(in_project("firmware/nodemcu/settings.example.h")).unwrap()
}

/// The example with all that is off in it.
fn full_settings() -> String {
    example_settings().replace("// #define", "#define")
}

fn serial_lines(said: &[(u32, String, String)]) -> Vec<(u32, Line)> {
    let serial = said.iter().filter(|(_, way, _)| way == "serial");
    serial.map(|(at, _, text)| (*at, parsed(text))).collect()
}

#[test]
fn the_sketch_speaks_with_the_example_settings_as_they_are() {
    let said = run_sketch(&example_settings());
    let lines = serial_lines(&said);
    assert_eq!((said.len(), lines.len()), (124, 124), "120 s and 4 changes");
    assert!(lines.iter().all(|(_, line)| line.node == "kitchen"));
    assert!(lines.iter().all(|(_, line)| line.beam.is_none()));
    assert!(lines.iter().any(|(_, line)| line.raw == Some(1023)));
}

#[test]
fn a_network_that_hangs_never_stops_the_serial_lines() {
    let said = run_sketch(&full_settings());
    let lines = serial_lines(&said);
    for pair in lines.windows(2) {
        let passed = pair[1].0 - pair[0].0;
        assert!(passed <= 1_000, "{passed} ms without a line");
    }
    let change = |value: fn(&Line) -> bool| {
        let found = lines
            .windows(2)
            .filter(|two| value(&two[0].1) != value(&two[1].1));
        found.map(|two| two[1].0).collect::<Vec<_>>()
    };
    // 29 ms to settle; the broker takes 5 s for each answer meanwhile. At 23 s `raw`, which is asked
    // each 100 ms, says gas for a moment longer than the pin.
    let gas = change(|line| line.gas.unwrap());
    let beam = change(|line| line.beam.unwrap());
    assert_eq!(gas, [20_029, 23_030, 70_029, 73_029]);
    assert_eq!(beam, [40_029, 43_029, 75_029, 77_029]);
}

#[test]
fn the_sketch_sends_the_originals_topics_as_the_original_does() {
    let said = run_sketch(&full_settings());
    let of = |topic: &str| -> Vec<(u32, String)> {
        let sent = said.iter().filter(|(_, way, _)| way == "mqtt");
        sent.filter_map(|(at, _, text)| Some((*at, text.strip_prefix(topic)?.to_owned())))
            .collect()
    };
    let (gas, beam) = (of("esp/tes "), of("esp/test "));
    // 0 = gas.
    let leak: Vec<u32> = (gas.iter().filter(|(_, payload)| payload == "0"))
        .map(|(at, _)| *at)
        .collect();
    assert!(leak.len() >= 4, "{leak:?}");
    assert!((70_029..70_040).contains(&leak[0]), "{leak:?}");
    assert!(leak.iter().all(|at| (70_000..73_030).contains(at)));
    // 1 = broken.
    let broken: Vec<u32> = (beam.iter().filter(|(_, payload)| payload == "1"))
        .map(|(at, _)| *at)
        .collect();
    assert!(broken.len() >= 3, "{broken:?}");
    assert!((75_029..75_040).contains(&broken[0]), "{broken:?}");
    assert!(broken.iter().all(|at| (75_000..77_030).contains(at)));
    // Nothing before the broker answers and while the Wi-Fi is lost, and then within moments.
    let times: Vec<u32> = gas.iter().map(|(at, _)| *at).collect();
    assert!((65_000..66_100).contains(&times[0]), "{times:?}");
    assert!(!times.iter().any(|at| (80_000..90_000).contains(at)));
    assert!(times.iter().any(|at| (90_000..91_100).contains(at)));
    // A broker that refuses is asked each second, and not all the time.
    let tries: Vec<u32> = (said.iter().filter(|(_, way, _)| way == "connect"))
        .map(|(at, _, id)| {
            assert_eq!(id, "asfaleia-kitchen");
            *at
        })
        .collect();
    assert!(tries.len() > 15, "{tries:?}");
    let wireless = |at: &u32| !(80_000..90_000).contains(at);
    assert!(tries.iter().all(wireless), "{tries:?}");
    assert!(
        tries.windows(2).all(|two| two[1] - two[0] > 900),
        "{tries:?}"
    );
}
