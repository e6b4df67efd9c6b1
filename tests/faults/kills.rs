//! `kill -9` at random moments under a stream of triggers: what is committed is there again, what
//! was to be told is told, and the house is never less watched than before.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::until;
use crate::home::{Home, Service};
use crate::post_office::{PostOffice, Taken};
use crate::telephone_exchange::{Conduct, Exchange};
use crate::{Violations, number};

/// A service is killed after up to this, counted from the first command.
const LONGEST_LIFE: Duration = Duration::from_millis(400);
/// The servers' last word comes up to so late: time to die before it is noted.
const SLOW: Duration = Duration::from_millis(40);
/// A trigger is committed long before this, also where others keep the disk busy.
const WINDOW: Duration = Duration::from_millis(250);

#[test]
fn killed_at_any_moment_it_comes_back_as_it_was_and_everything_committed_is_told() {
    let kills: u32 = number("KILLS", 30);
    let seed: u64 = number("SEED", fastrand::u64(..));
    let mut house = House::new(seed);
    let mut service = house.start();
    for _ in 0..kills {
        service = house.live_and_die(service);
    }
    house.tell_everything(&service);
    house.count_messages();
    let Tally {
        incidents,
        in_window,
        gas,
    } = house.tally;
    let mails = house.office.taken();
    let ids: BTreeSet<_> = mails.iter().map(|mail| &mail.message_id).collect();
    house.violations.close(&format!(
        "kill -9: {kills} kills, seed {seed}, {incidents} incidents, {gas} with gas, {in_window} \
         lost in the window before their commit, {} mails, {} of them again, {} calls",
        mails.len(),
        mails.len() - ids.len(),
        house.exchange.placed().len(),
    ));
}

#[derive(Default)]
struct Tally {
    incidents: usize,
    in_window: usize,
    gas: usize,
}

/// What was answered in one life: nothing less may be there in the next.
#[derive(Default)]
struct Answered {
    /// Armed for certain: the command was answered, and none to disarm has left since.
    armed: bool,
    /// An intrusion was answered while armed for certain, and none to disarm has left since.
    trigger: Option<Instant>,
}

struct Death {
    at: Instant,
    /// Incidents with a higher number were begun in that life and lost.
    opened: u64,
}

struct House {
    home: Home,
    office: PostOffice,
    exchange: Exchange,
    rng: fastrand::Rng,
    violations: Violations,
    tally: Tally,
    /// Which life of the service this is.
    life: u32,
    /// The last line of history that was looked at.
    last: u64,
    /// Is there gas now?
    leaks: bool,
    /// The highest number of an incident that was read in the history.
    opened: u64,
    /// How each life ended.
    deaths: BTreeMap<u32, Death>,
    /// Incidents whose first mails have not been seen yet.
    to_be_mailed: BTreeSet<u64>,
    /// Incidents whose call has not been seen, and that nobody has ended.
    to_be_called: BTreeSet<u64>,
}

impl House {
    fn new(seed: u64) -> House {
        let office = PostOffice::open(SLOW);
        let exchange = Exchange::open(Conduct::Places(SLOW));
        let home = Home::with(&[
            ("port = MAIL_PORT", &format!("port = {}", office.port)),
            ("http://TELEPHONE", &exchange.base_url),
            ("[phone]", "[phone]\nladder-every = \"0s\""),
            // Its levels last as long as the service, and no longer.
            ("gpio = 18\nwarm-up = \"0s\"", "simulated = true"),
            (
                "exit-delay = \"0s\"",
                "exit-delay = \"0s\"\nsiren-time = \"15m\"",
            ),
            (
                "[camera]\ndevice = \"simulated\"\nwidth = 320\nheight = 240\n",
                "",
            ),
            (
                "[store]",
                "[[contact]]\nname = \"Ben\"\nemail = \"ben@example.org\"\n\n[store]",
            ),
        ]);
        House {
            home,
            office,
            exchange,
            rng: fastrand::Rng::with_seed(seed),
            violations: Violations::default(),
            tally: Tally::default(),
            life: 0,
            last: 0,
            opened: 0,
            deaths: BTreeMap::new(),
            leaks: false,
            to_be_mailed: BTreeSet::new(),
            to_be_called: BTreeSet::new(),
        }
    }

    fn start(&mut self) -> Service {
        self.life = self.office.next_life();
        self.home.start()
    }

    /// Lives through a part of a script, is killed, and is started again.
    fn live_and_die(&mut self, service: Service) -> Service {
        if self.rng.f64() < 0.2 {
            self.until_told(&service);
        }
        let socket = self.home.socket();
        let witness = thread::spawn({
            let (socket, after) = (socket.clone(), self.last);
            move || witness(&socket, after)
        });
        let lives_for = LONGEST_LIFE.mul_f64(self.rng.f64());
        let script = self.script();
        let began = Instant::now();
        let (answered, died) = thread::scope(|scope| {
            let home = &self.home;
            let play = scope.spawn(|| play(home, &socket, &script));
            // The moment is what is being tried, whatever goes on in it.
            thread::sleep(lives_for.saturating_sub(began.elapsed()));
            let died = Instant::now();
            service.running.kill();
            (play.join().unwrap(), died)
        });
        for step in script.iter().take(answered.1) {
            if let Step::Gas(leaks) = step {
                self.leaks = *leaks;
            }
        }
        let seen = witness.join().unwrap();
        let service = self.start();
        self.compare(&service, &seen, &answered.0, died);
        service
    }

    /// What is done in a life, until it ends.
    fn script(&mut self) -> Vec<Step> {
        let mut script = vec![Step::Arm];
        let mut leaks = self.leaks;
        for _ in 0..60 {
            script.push(match self.rng.u32(..100) {
                0..45 => Step::Pulse,
                45..60 => {
                    leaks = !leaks;
                    Step::Gas(leaks)
                }
                60..75 => Step::Disarm,
                75..90 => Step::Arm,
                _ => Step::Wait(Duration::from_millis(self.rng.u64(1..60))),
            });
            script.push(Step::Wait(Duration::from_millis(self.rng.u64(0..25))));
        }
        script
    }

    /// The next start, compared with what is known of the life before.
    fn compare(&mut self, service: &Service, seen: &[Value], answered: &Answered, died: Instant) {
        let life = self.life;
        let fan = service.api.output("exhaust");
        let status = service.api.status();
        let history = self.new_history(service);
        let say = |what: &str| format!("life {life}: {what}; now {status}");
        // Everything of before the start that has just been made.
        let start = history.iter().rposition(|event| event["kind"] == "started");
        let before = &history[..start.unwrap_or(0)];

        let kept: BTreeMap<u64, &Value> = history.iter().map(|it| (id(it), it)).collect();
        for event in seen {
            let same = kept.get(&id(event)) == Some(&event);
            self.violations
                .unless(same, || say(&format!("{event} was shown and is lost")));
        }
        let last = |kind: &str| before.iter().rev().find(|event| event["kind"] == kind);
        let state = status["state"].as_str().unwrap();
        if let Some(event) = last("state") {
            self.violations.unless(event["data"]["to"] == state, || {
                say(&format!("the last state in the store is {event}"))
            });
        }
        self.violations
            .unless(!answered.armed || state != "disarmed", || {
                say("it was armed, and is disarmed")
            });
        if last("exhaust").is_some_and(|event| event["data"]["on"] == true) {
            self.violations.unless(fan, || say("the fan was on"));
        }
        if self.leaks {
            service.api.until_output("exhaust", true);
        }
        if let Some(when) = answered.trigger
            && state != "triggered"
        {
            self.tally.in_window += 1;
            let age = died - when;
            self.violations.unless(age < WINDOW, || {
                say(&format!(
                    "an alarm is lost that was answered {age:?} before"
                ))
            });
        }
        let opened = |events: &[Value]| {
            let opened = events.iter().filter(|it| it["kind"] == "incident_opened");
            opened.filter_map(|it| it["incident"].as_u64()).max()
        };
        let death = Death {
            at: died,
            opened: self.opened.max(opened(before).unwrap_or(0)),
        };
        self.deaths.insert(life - 1, death);
        self.opened = self.opened.max(opened(&history).unwrap_or(0));
        let before = before.len();
        self.follow(&history, before, &status, life);
    }

    /// Incidents: each number once, and what has not ended goes on. Only the lines of `before` the
    /// start are older than the status.
    fn follow(&mut self, history: &[Value], before: usize, status: &Value, life: u32) {
        let goes_on: BTreeSet<u64> = incidents(status).collect();
        let mut open = BTreeSet::new();
        for (index, event) in history.iter().enumerate() {
            let incident = event["incident"].as_u64();
            match (event["kind"].as_str().unwrap(), incident) {
                ("incident_opened", Some(incident)) => {
                    self.tally.incidents += 1;
                    self.tally.gas += usize::from(event["data"]["incident_kind"] == "gas");
                    self.to_be_mailed.insert(incident);
                    self.to_be_called.insert(incident);
                    if index < before {
                        open.insert(incident);
                    }
                }
                ("incident_ended", Some(incident)) => {
                    open.remove(&incident);
                    // Whoever ended it ended its calls.
                    self.to_be_called.remove(&incident);
                }
                _ => {}
            }
        }
        for incident in open {
            self.violations.unless(goes_on.contains(&incident), || {
                format!("life {life}: incident {incident} has not ended and is not there: {status}")
            });
        }
    }

    /// History since the last look.
    fn new_history(&mut self, service: &Service) -> Vec<Value> {
        let mut history = service.api.events();
        let numbers: Vec<u64> = history.iter().map(id).collect();
        let grow = numbers.windows(2).all(|pair| pair[0] < pair[1]);
        self.violations
            .unless(grow, || format!("numbers only grow: {numbers:?}"));
        history.retain(|event| id(event) > self.last);
        self.last = numbers.last().copied().unwrap_or(self.last);
        history
    }

    /// Everybody is mailed about every incident, and called about those that nobody ended before.
    fn until_told(&mut self, service: &Service) {
        for incident in std::mem::take(&mut self.to_be_mailed) {
            let begins = format!("<incident-{incident}.");
            for to in ["anna", "ben"] {
                until(&format!("a mail to {to} about incident {incident}"), || {
                    let told =
                        |mail: &Taken| mail.message_id.starts_with(&begins) && mail.to.contains(to);
                    self.office.taken().iter().any(told).then_some(())
                });
            }
        }
        for incident in std::mem::take(&mut self.to_be_called) {
            until(&format!("a call about incident {incident}"), || {
                let calling = |event: &Value| {
                    event["incident"] == incident
                        && event["data"]["channel"] == "phone"
                        && event["data"]["outcome"] == "calling"
                };
                service
                    .api
                    .events_of("message")
                    .iter()
                    .any(calling)
                    .then_some(())
            });
        }
    }

    fn tell_everything(&mut self, service: &Service) {
        self.until_told(service);
        // Whoever acknowledges ends the ladders, which wait for just that.
        service.api.post("ack", json!({}));
        until("every message to be told", || {
            (service.api.waiting() == 0).then_some(())
        });
    }

    /// The same mail at most once in a life; of an incident no more than one mail begins a thread,
    /// but for those that were lost before their commit, on a slow disk, and whose number was given
    /// again: they were told just before the end.
    fn count_messages(&self) {
        let mut times: BTreeMap<(String, u32), usize> = BTreeMap::new();
        let mut first: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        let mut lost = BTreeSet::new();
        let mut told_and_lost = 0;
        for mail in self.office.taken() {
            *times
                .entry((mail.message_id.clone(), mail.life))
                .or_default() += 1;
            let thread = mail.message_id.strip_prefix("<incident-");
            if let Some((incident, _)) = thread.and_then(|rest| rest.split_once('.')) {
                let number: u64 = incident.parse().unwrap();
                let death = self.deaths.get(&mail.life);
                if let Some(death) = death.filter(|death| number > death.opened) {
                    told_and_lost += 1;
                    lost.insert((mail.life, number));
                    let age = death.at.saturating_duration_since(mail.at);
                    self.violations.unless(age < WINDOW, || {
                        format!("incident {number} was told {age:?} before the end, and is lost")
                    });
                }
                let begun = first.entry((incident.to_owned(), mail.to)).or_default();
                begun.insert(mail.message_id);
            }
        }
        for ((mail, life), times) in times {
            self.violations.unless(times == 1, || {
                format!("{mail} came {times} times in life {life}")
            });
        }
        let begun_twice: usize = first.values().map(|ids| ids.len() - 1).sum();
        self.violations.unless(begun_twice <= told_and_lost, || {
            format!("{begun_twice} incidents were told as two: {first:?}")
        });
        // Every call was looked for before it was placed again.
        let ladders = self.tally.incidents + self.tally.in_window + lost.len();
        let calls = self.exchange.placed().len();
        self.violations.unless(calls <= ladders, || {
            format!("{calls} calls were placed for {ladders} incidents")
        });
    }
}

enum Step {
    Arm,
    Disarm,
    Pulse,
    Gas(bool),
    Wait(Duration),
}

/// Plays it until nobody answers; what was answered, and how far it came.
fn play(home: &Home, socket: &Path, script: &[Step]) -> (Answered, usize) {
    let mut answered = Answered::default();
    for (index, step) in script.iter().enumerate() {
        let heard = match step {
            Step::Arm => {
                let heard = ask(socket, "POST", "arm", r#"{"mode":"away","force":true}"#);
                answered.armed |= heard == Some(true);
                heard
            }
            Step::Disarm => {
                answered = Answered::default();
                ask(socket, "POST", "disarm", "{}")
            }
            Step::Pulse => {
                let heard = ask(socket, "PUT", "sim/sensors/hall", r#"{"pulse":"5ms"}"#);
                if heard == Some(true) && answered.armed {
                    answered.trigger.get_or_insert_with(Instant::now);
                }
                heard
            }
            Step::Gas(leaks) => {
                home.gas(*leaks);
                Some(true)
            }
            Step::Wait(time) => {
                thread::sleep(*time);
                Some(true)
            }
        };
        if heard.is_none() {
            return (answered, index);
        }
    }
    (answered, script.len())
}

/// Whether it was done within the time in which a command is answered when it is committed; `None`:
/// nobody answers any more.
fn ask(socket: &Path, method: &str, path: &str, body: &str) -> Option<bool> {
    let began = Instant::now();
    let mut stream = UnixStream::connect(socket).ok()?;
    let request = format!(
        "{method} /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    // What came before the end counts.
    let _ = stream.read_to_string(&mut answer);
    if answer.is_empty() {
        return None;
    }
    // Arming is refused while an alarm goes on.
    let refused = answer.starts_with("HTTP/1.1 409");
    let done = answer.starts_with("HTTP/1.1 200");
    assert!(done || refused, "{path}: {answer}");
    Some(done && began.elapsed() < Duration::from_millis(15))
}

/// Everything the stream shows until the service dies: it shows what can be read back.
fn witness(socket: &Path, after: u64) -> Vec<Value> {
    let Ok(mut stream) = UnixStream::connect(socket) else {
        return Vec::new();
    };
    let request = format!("GET /api/v1/stream?after={after} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if stream.write_all(request.as_bytes()).is_err() {
        return Vec::new();
    }
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let data = lines.filter_map(|line| {
        let event: Value = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
        event["kind"].is_string().then_some(event)
    });
    data.collect()
}

fn incidents(status: &Value) -> impl Iterator<Item = u64> {
    let incidents = status["incidents"].as_array().unwrap().iter();
    incidents.map(|incident| incident["id"].as_u64().unwrap())
}

fn id(event: &Value) -> u64 {
    event["id"].as_u64().unwrap()
}
