//! From a reading to the relay, the call and the mail: the built program as its own process, TLS
//! both ways, a store that syncs. Prints median and 95th percentile in milliseconds.
//!
//!     cargo bench --bench reaction                      all inputs, 100 rounds each
//!     cargo bench --bench reaction -- --realtime        the timed processes under SCHED_RR (root)
//!     cargo bench --bench reaction -- --stall 300       every commit takes 300 ms longer
//!     cargo bench --bench reaction -- --rounds 20 --input serial
//!     cargo bench --bench reaction -- --rest 540        at rest, after one mail and one call
//!
//! Inputs: `simulated` (the API), `serial` (a NodeMCU's line on a pseudo-terminal), `mqtt`
//! (mosquitto, if it is installed). Time is `CLOCK_MONOTONIC`, read by both processes.

#![allow(clippy::unwrap_used)]

#[path = "../../tests/notify/authority.rs"]
mod authority;
mod house;
mod peers;

use std::time::Duration;

use house::{House, Input};

struct Options {
    rounds: usize,
    realtime: bool,
    stall: Option<u64>,
    input: Option<String>,
    rest: Option<u64>,
}

fn options() -> Options {
    let mut options = Options {
        rounds: 100,
        realtime: false,
        stall: None,
        input: None,
        rest: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("the option has a value");
        match argument.as_str() {
            "--rounds" => options.rounds = value().parse().expect("--rounds is a number"),
            "--stall" => options.stall = Some(value().parse().expect("--stall is in ms")),
            "--input" => options.input = Some(value()),
            "--rest" => options.rest = Some(value().parse().expect("--rest is in seconds")),
            "--realtime" => options.realtime = true,
            "--bench" => {} // cargo's own
            other => panic!("unknown option {other}"),
        }
    }
    options
}

/// One round, in milliseconds since the reading was sent.
#[derive(Clone, Copy)]
struct Round {
    output: f64,
    call: f64,
    mail: f64,
}

fn main() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nobody else installed one");
    let options = options();
    if options.realtime {
        realtime();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!(
        "{} rounds, {}, stall {} ms, load {}",
        options.rounds,
        if options.realtime {
            "SCHED_RR"
        } else {
            "ordinary priority"
        },
        options.stall.unwrap_or(0),
        load.trim()
    );
    if let Some(seconds) = options.rest {
        return runtime.block_on(rest(seconds));
    }
    println!(
        "{:<28} {:>8} {:>8} {:>8}",
        "ms from the reading to", "median", "p95", "max"
    );
    for input in [Input::Simulated, Input::Serial, Input::Mqtt] {
        if options
            .input
            .as_deref()
            .is_some_and(|only| only != input.name())
        {
            continue;
        }
        runtime.block_on(measure(input, &options));
    }
}

async fn measure(input: Input, options: &Options) {
    let Some(mut house) = House::start(input, options.stall).await else {
        println!("{}: mosquitto is not installed", input.name());
        return;
    };
    let mut rounds = Vec::with_capacity(options.rounds);
    for round in 0..options.rounds + WARM_UP {
        let measured = house.round().await;
        if round >= WARM_UP {
            rounds.push(measured);
        }
    }
    let rows: [(&str, Part); 3] = [
        (house.output_name(), |round| round.output),
        ("the call's request read", |round| round.call),
        ("the mail's final dot read", |round| round.mail),
    ];
    for (name, of) in rows {
        let mut times: Vec<f64> = rounds.iter().map(of).collect();
        times.sort_by(f64::total_cmp);
        let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
        println!(
            "{:<28} {:>8.2} {:>8.2} {:>8.2}",
            format!("{}: {name}", input.name()),
            at(0.5),
            at(0.95),
            at(1.0)
        );
    }
    println!(
        "{:<28} {}",
        format!("{}: memory", input.name()),
        house.resident()
    );
    house.stop().await;
}

/// One of the times of a round.
type Part = fn(&Round) -> f64;

/// Everything connected, after one mail and one call: what the program uses while nothing happens.
async fn rest(seconds: u64) {
    let Some(mut house) = House::start(Input::Mqtt, None).await else {
        println!("mosquitto is not installed");
        return;
    };
    println!("ready after {:.1} ms", house.ready_after());
    house.round().await;
    tokio::time::sleep(Duration::from_secs(70)).await; // the deep check of the start is over
    let (cpu, written) = house.used();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (cpu_then, written_then) = house.used();
    let share = (cpu_then - cpu) as f64 / 1e9 / seconds as f64 * 100.0;
    println!(
        "in {seconds} s at rest: {share:.4} % of a core, {} bytes written, {}",
        written_then - written,
        house.resident()
    );
    house.stop().await;
}

/// Rounds that are not counted: connections and caches become what they are in a running house.
const WARM_UP: usize = 5;

/// Puts this process, and so the one it starts, under SCHED_RR, so that neighbours on the machine
/// do not get between. Needs root; `chrt` is util-linux's.
fn realtime() {
    let done = std::process::Command::new("chrt")
        .args(["--rr", "--pid", "50", &std::process::id().to_string()])
        .status();
    assert!(
        done.is_ok_and(|status| status.success()),
        "--realtime needs root and chrt"
    );
}

/// Nanoseconds of `CLOCK_MONOTONIC`.
fn now() -> u64 {
    asfaleia::clock::monotonic_nanos()
}

/// Waits for something that must come.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what)
        .await
        .expect("it comes within ten seconds")
}
