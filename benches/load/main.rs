//! Two hundred clients on the stream and a thousand requests a second for the status: what that does
//! to the time from gas to the relay, to the program's memory, and to its stop.
//!
//!     cargo bench --bench load                          200 streams, 1,000 requests/s, a minute
//!     cargo bench --bench load -- --seconds 10 --streams 50 --requests 100
//!     cargo bench --bench load -- --rest 620           then waits so long for memory to fall back
//!
//! The built program as its own process, asked over its Unix socket; gas comes as a NodeMCU's lines
//! on a pseudo-terminal. Everything runs on the same machine, the clients too: its load is printed.

#![allow(clippy::unwrap_used)]

#[path = "../../tests/notify/authority.rs"]
mod authority;
mod clients;
#[allow(dead_code)] // what only the other bench asks for
#[path = "../reaction/house.rs"]
mod house;
#[path = "../reaction/peers.rs"]
mod peers;

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use clients::Clients;
use house::{House, Input};

/// A minute's alarms leave pictures and mails in memory by themselves: as many come before the first
/// look at it.
const WARM_UP: usize = 100;

struct Options {
    seconds: u64,
    streams: u64,
    requests: u64,
    rest: u64,
}

fn options() -> Options {
    let mut options = Options {
        seconds: 60,
        streams: 200,
        requests: 1_000,
        rest: 5,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || -> u64 {
            let value = arguments.next().expect("the option has a value");
            value.parse().expect("it is a number")
        };
        match argument.as_str() {
            "--seconds" => options.seconds = value(),
            "--streams" => options.streams = value(),
            "--requests" => options.requests = value(),
            "--rest" => options.rest = value(),
            "--bench" => {} // cargo's own
            other => panic!("unknown option {other}"),
        }
    }
    options
}

fn main() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nobody else installed one");
    let options = options();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(measure(&options));
}

async fn measure(options: &Options) {
    println!("load before: {}", load());
    let house = House::start(Input::Serial, None).await;
    let mut house = house.expect("a pseudo-terminal needs nothing");
    let quiet = rounds(&mut house, WARM_UP, Duration::MAX).await;
    println!("gas to relay, nobody asking: {}", spread(quiet));
    sleep(Duration::from_secs(2)).await;
    let before = memory(&mut house);

    let (socket, seconds) = (house.socket(), options.seconds);
    let clients = Clients::connect(&socket, options.streams, options.requests).await;
    let (began, mut peak) = (Instant::now(), before);
    let mut busy = Vec::new();
    while began.elapsed() < Duration::from_secs(seconds) {
        busy.extend(rounds(&mut house, usize::MAX, Duration::from_secs(1)).await);
        peak = peak.max(memory(&mut house));
    }
    let seen = &clients.seen;
    let took = began.elapsed().as_secs_f64();
    println!(
        "{} streams: {} still listen, {} events, {:.0} a second",
        options.streams,
        seen.listening.load(Relaxed),
        seen.events.load(Relaxed),
        seen.events.load(Relaxed) as f64 / took,
    );
    println!(
        "status: {:.0} answers a second, the slowest {:.1} ms",
        seen.answers.load(Relaxed) as f64 / took,
        seen.slowest_us.load(Relaxed) as f64 / 1e3,
    );
    println!(
        "gas to relay, {} alarms in {took:.0} s: {}",
        busy.len(),
        spread(busy)
    );
    println!("load after: {}", load());

    drop(clients);
    sleep(Duration::from_secs(options.rest)).await;
    let after = memory(&mut house);
    println!(
        "resident: {before} kB before, {peak} kB at most (+{:.1} MB), {after} kB {} s after",
        (peak - before) as f64 / 1e3,
        options.rest
    );

    let clients = Clients::connect(&socket, options.streams, 0).await;
    let began = Instant::now();
    kill_process(Pid::from_child(house.service()), Signal::TERM).expect("it runs");
    let ended = loop {
        if let Some(ended) = house.service().try_wait().expect("it is ours") {
            break ended;
        }
        sleep(Duration::from_millis(2)).await;
    };
    println!(
        "stop with all of them connected: {:.0} ms, {ended}",
        began.elapsed().as_secs_f64() * 1e3
    );
    drop(clients);
    house.stop().await;
}

/// Alarms one after another, so many or for so long: milliseconds from the line to the relay.
async fn rounds(house: &mut House, most: usize, time: Duration) -> Vec<f64> {
    let began = Instant::now();
    let mut times = Vec::new();
    while times.len() < most && began.elapsed() < time {
        times.push(house.round().await.output);
        // At no fixed point of anybody's second.
        sleep(Duration::from_millis(fastrand::u64(20..120))).await;
    }
    times
}

fn spread(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
    let (median, p95, most) = (at(0.5), at(0.95), at(1.0));
    format!("median {median:.2} ms, p95 {p95:.2} ms, max {most:.2} ms")
}

/// Resident kilobytes of the program, as the kernel says it.
fn memory(house: &mut House) -> u64 {
    let resident = house.resident();
    let number = resident.split_whitespace().nth(1);
    number.and_then(|it| it.parse().ok()).expect("it runs")
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// One alarm, in milliseconds since the reading was sent.
#[derive(Clone, Copy)]
struct Round {
    output: f64,
    #[expect(dead_code, reason = "the other bench's")]
    call: f64,
    #[expect(dead_code, reason = "the other bench's")]
    mail: f64,
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
