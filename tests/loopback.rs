//! The simulator's mail server, telephone service and NodeMCU, driven as the program drives them.

#![allow(clippy::unwrap_used)] // The helpers of a test are test code too.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use asfaleia::clock::monotonic_nanos;
use asfaleia::config::NodeKey;
use asfaleia::simulator::{Faults, MailServer, SimulatedNode, TelephoneService};
use lettre::message::{Attachment, MultiPart, SinglePart, header::ContentType};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than anything here takes: a test that gets there fails.
const DEADLINE: Duration = Duration::from_secs(10);
/// Long enough to see that nothing comes.
const A_MOMENT: Duration = Duration::from_millis(150);

fn transport(server: &MailServer) -> AsyncSmtpTransport<Tokio1Executor> {
    AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.address().ip().to_string())
        .port(server.address().port())
        .credentials(Credentials::new("anna".into(), "secret".into()))
        .authentication(vec![Mechanism::Plain])
        .build()
}

fn mail(jpeg: &[u8]) -> Message {
    let image = Attachment::new("photo-1.jpg".into());
    Message::builder()
        .from("Asfaleia <me@example.org>".parse().unwrap())
        .to("Anna <anna@example.org>".parse().unwrap())
        .subject("Home: κίνηση in hall")
        .message_id(Some("<one@home>".into()))
        .multipart(
            MultiPart::mixed()
                .multipart(MultiPart::alternative_plain_html(
                    "Somebody is there.\n.\nA dot alone.".to_owned(),
                    "<p>Somebody is there.</p>".to_owned(),
                ))
                .singlepart(image.body(jpeg.to_vec(), ContentType::parse("image/jpeg").unwrap()))
                .singlepart(SinglePart::plain("not an attachment".to_owned())),
        )
        .unwrap()
}

/// Any bytes that do not look like text.
fn picture() -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(1);
    std::iter::repeat_with(|| rng.u8(..)).take(60_000).collect()
}

#[tokio::test]
async fn a_mail_arrives_whole_with_its_photo() {
    let server = MailServer::start(&Faults::default()).await.unwrap();
    let jpeg = picture();
    let before = monotonic_nanos();
    transport(&server).send(mail(&jpeg)).await.unwrap();
    let after = monotonic_nanos();
    let mails = server.mails();
    let one = &mails[0];
    assert_eq!(one["from"], "me@example.org");
    assert_eq!(one["to"], json!(["anna@example.org"]));
    assert_eq!(one["subject"], "Home: κίνηση in hall");
    assert_eq!(one["message_id"], "one@home");
    let text = one["text"].as_str().unwrap().replace("\r\n", "\n");
    assert_eq!(text.trim_end(), "Somebody is there.\n.\nA dot alone.");
    assert_eq!(
        one["attachments"][0],
        json!({"name": "photo-1.jpg", "type": "image/jpeg", "bytes": 60_000})
    );
    assert!((before..after).contains(&one["received_ns"].as_u64().unwrap()));
    let photo = server.attachment(0, 0).unwrap();
    assert_eq!((photo.kind.as_str(), photo.content), ("image/jpeg", jpeg));
    assert!(server.attachment(0, 9).is_none() && server.attachment(1, 0).is_none());
}

#[tokio::test]
async fn an_inline_photo_of_a_related_mail_is_an_attachment() {
    let server = MailServer::start(&Faults::default()).await.unwrap();
    let related = MultiPart::related()
        .singlepart(SinglePart::html("<img src=\"cid:photo-1\">".to_owned()))
        .singlepart(
            Attachment::new_inline("photo-1".into())
                .body(picture(), ContentType::parse("image/jpeg").unwrap()),
        );
    let message = Message::builder()
        .from("me@example.org".parse().unwrap())
        .to("anna@example.org".parse().unwrap())
        .multipart(related)
        .unwrap();
    transport(&server).send(message).await.unwrap();
    assert_eq!(server.mails()[0]["attachments"][0]["type"], "image/jpeg");
    assert_eq!(server.attachment(0, 0).unwrap().content, picture());
}

/// Speaks SMTP by hand.
struct Talk(BufReader<TcpStream>);

impl Talk {
    async fn with(server: &MailServer) -> Talk {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        Talk(BufReader::new(stream))
    }

    /// Sends these bytes and reads this many replies, each by its code.
    async fn say(&mut self, text: &str, replies: usize) -> Vec<u16> {
        self.0.write_all(text.as_bytes()).await.unwrap();
        let mut codes = Vec::new();
        while codes.len() < replies {
            let mut line = String::new();
            let read = timeout(DEADLINE, self.0.read_line(&mut line)).await;
            assert!(read.unwrap().unwrap() > 0, "the server hung up");
            if line.as_bytes()[3] == b' ' {
                codes.push(line[..3].parse().unwrap());
            }
        }
        codes
    }

    /// Nothing comes.
    async fn is_silent(&mut self) -> bool {
        timeout(A_MOMENT, self.0.fill_buf()).await.is_err()
    }
}

#[tokio::test]
async fn every_command_is_answered_also_when_they_come_together() {
    let server = MailServer::start(&Faults::default()).await.unwrap();
    let mut talk = Talk::with(&server).await;
    assert_eq!(talk.say("", 1).await, [220]);
    assert_eq!(talk.say("EHLO here\r\n", 1).await, [250]);
    assert_eq!(
        talk.say("AUTH LOGIN\r\nYW5uYQ==\r\nc2VjcmV0\r\n", 3).await,
        [334, 334, 235]
    );
    assert_eq!(
        talk.say("AUTH PLAIN\r\nAGFubmEAc2VjcmV0\r\n", 2).await,
        [334, 235]
    );
    assert_eq!(
        talk.say("AUTH CRAM-MD5\r\nDATA\r\nRCPT TO:<a@b>\r\n", 3)
            .await,
        [504, 503, 503]
    );
    let batch = "mail from:<>\r\nRCPT TO:<a@b> X=1\r\nRCPT TO:c\r\nRSET\r\nNOOP\r\nWHAT\r\n";
    assert_eq!(talk.say(batch, 6).await, [250, 250, 501, 250, 250, 500]);
    let batch = "MAIL FROM:<me@x> SIZE=9\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\
                 Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n";
    assert_eq!(talk.say(batch, 6).await, [250, 250, 250, 354, 250, 221]);
    assert_eq!(server.mails()[0]["to"], json!(["a@b", "c@d"]));
    assert_eq!(&*server.raw(0).unwrap(), b"Subject: x\r\n\r\n.dot\r\n");
}

#[tokio::test]
async fn the_last_two_hundred_mails_are_kept() {
    let server = MailServer::start(&Faults::default()).await.unwrap();
    let mut talk = Talk::with(&server).await;
    talk.say("HELO here\r\n", 2).await;
    for n in 0..203 {
        let mail = format!("MAIL FROM:<{n}@x>\r\nRCPT TO:<a@b>\r\nDATA\r\n\r\n.\r\n");
        assert_eq!(talk.say(&mail, 4).await, [250, 250, 354, 250]);
    }
    let mails = server.mails();
    assert_eq!(mails.as_array().unwrap().len(), 200);
    assert_eq!(mails[0]["from"], "3@x");
}

#[tokio::test]
async fn a_mail_server_refuses_with_the_code_of_its_fault() {
    let faults = Faults::default();
    let server = MailServer::start(&faults).await.unwrap();
    for (fault, code) in [("451", "451"), ("535", "535")] {
        faults.put(json!({"smtp": fault})).unwrap();
        let error = transport(&server).send(mail(b"x")).await.unwrap_err();
        assert_eq!(error.status().unwrap().to_string(), code);
        assert_eq!(error.is_transient(), fault == "451");
    }
    faults.put(json!({"smtp": null})).unwrap();
    transport(&server).send(mail(b"x")).await.unwrap();
    assert_eq!(server.mails().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_mail_server_that_hangs_says_nothing_and_goes_on_when_mended() {
    let faults = Faults::default();
    let server = MailServer::start(&faults).await.unwrap();
    let mut connected = Talk::with(&server).await;
    assert_eq!(connected.say("", 1).await, [220]);
    faults.put(json!({"smtp": "hang"})).unwrap();
    connected.say("NOOP\r\n", 0).await;
    let mut new = Talk::with(&server).await;
    assert!(connected.is_silent().await && new.is_silent().await);
    faults.put(json!({"smtp": null})).unwrap();
    assert_eq!(connected.say("", 1).await, [250]);
    assert_eq!(new.say("", 1).await, [220]);
}

/// Waits until connecting there is refused.
async fn refuses(address: SocketAddr) {
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, refused).await.expect("it refuses");
}

/// Waits until connecting there works.
async fn accepts(address: SocketAddr) {
    let accepted = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, accepted).await.expect("it accepts");
}

#[tokio::test]
async fn what_is_down_refuses_connections_and_comes_back_on_the_same_port() {
    let faults = Faults::default();
    let mails = MailServer::start(&faults).await.unwrap();
    let phone = telephone(&faults).await;
    for fault in [
        json!({"smtp": "down", "phone": "down"}),
        json!({"network": "down"}),
    ] {
        let mut parked = Talk::with(&mails).await;
        assert_eq!(parked.say("", 1).await, [220]);
        // A connection that never asks anything does not hold the telephone service.
        let idle = TcpStream::connect(phone.service.address()).await.unwrap();
        faults.put(fault).unwrap();
        refuses(mails.address()).await;
        refuses(phone.service.address()).await;
        let cut = timeout(DEADLINE, parked.0.fill_buf()).await.unwrap();
        assert!(cut.map_or(true, <[u8]>::is_empty), "the session was cut");
        faults
            .put(json!({"smtp": null, "phone": null, "network": null}))
            .unwrap();
        accepts(mails.address()).await;
        accepts(phone.service.address()).await;
        drop(idle);
    }
    transport(&mails).send(mail(b"x")).await.unwrap();
    assert_eq!(phone.place("+306900000001").await.0, 201);
}

struct Phone {
    service: TelephoneService,
    client: reqwest::Client,
    base: String,
}

async fn telephone(faults: &Faults) -> Phone {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let service = TelephoneService::start(faults, "AC1", ("AC1", "token"))
        .await
        .unwrap();
    let base = format!("http://{}/2010-04-01/Accounts/AC1", service.address());
    Phone {
        service,
        client: reqwest::Client::new(),
        base,
    }
}

impl Phone {
    async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request
            .basic_auth("AC1", Some("token"))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    fn placing(&self, to: &str) -> reqwest::RequestBuilder {
        self.client
            .post(format!("{}/Calls.json", self.base))
            .form(&[
                ("To", to),
                ("From", "+15005550006"),
                (
                    "Twiml",
                    "<Response><Say>Gas &amp; smoke</Say><Pause/><Say>x</Say></Response>",
                ),
                ("Timeout", "1"),
            ])
    }

    async fn place(&self, to: &str) -> (u16, Value) {
        self.send(self.placing(to)).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.client.get(format!("{}{path}", self.base)))
            .await
    }

    async fn hang_up(&self, sid: &str) -> Value {
        let request = self.client.post(format!("{}/Calls/{sid}.json", self.base));
        self.send(request.form(&[("Status", "completed")])).await.1
    }

    /// Asks until the call has this status; returns those it had before.
    async fn until(&self, sid: &str, status: &str) -> Vec<String> {
        let mut seen: Vec<String> = Vec::new();
        let asking = async {
            loop {
                let (_, call) = self.get(&format!("/Calls/{sid}.json")).await;
                let now = call["status"].as_str().unwrap().to_owned();
                if now == status {
                    return;
                }
                if seen.last() != Some(&now) {
                    seen.push(now);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(DEADLINE, asking).await.unwrap();
        seen
    }
}

#[tokio::test]
async fn a_call_is_queued_rings_is_answered_and_ends() {
    let phone = telephone(&Faults::default()).await;
    let before = monotonic_nanos();
    let (status, call) = phone.place("+306900000001").await;
    let after = monotonic_nanos();
    assert_eq!((status, &call["status"]), (201, &json!("queued")));
    let seen = phone
        .until(call["sid"].as_str().unwrap(), "completed")
        .await;
    assert!(
        seen.ends_with(&["ringing".into(), "in-progress".into()]),
        "{seen:?}"
    );
    let calls = phone.service.calls();
    let received = calls[0]["received_ns"].as_u64().unwrap();
    assert!((before..after).contains(&received));
    assert_eq!(
        calls,
        json!([{"to": "+306900000001", "from": "+15005550006", "words": "Gas & smoke",
                "status": "completed", "received_ns": received}])
    );
}

#[tokio::test]
async fn a_call_that_is_not_wanted_any_more_can_be_ended() {
    let phone = telephone(&Faults::default()).await;
    let (_, call) = phone.place("+306900000001").await;
    let sid = call["sid"].as_str().unwrap();
    assert_eq!(phone.hang_up(sid).await["status"], "canceled");
    let (_, call) = phone.place("+306900000001").await;
    let sid = call["sid"].as_str().unwrap();
    phone.until(sid, "in-progress").await;
    assert_eq!(phone.hang_up(sid).await["status"], "completed");
}

#[tokio::test]
async fn a_call_is_found_by_number_and_time() {
    let phone = telephone(&Faults::default()).await;
    phone.place("+306900000001").await;
    let (_, second) = phone.place("+306900000002").await;
    let found = async |query: &[(&str, &str)]| {
        let request = phone
            .client
            .get(format!("{}/Calls.json", phone.base))
            .query(query);
        phone.send(request).await.1["calls"]
            .as_array()
            .unwrap()
            .clone()
    };
    let calls = found(&[("To", "+306900000002"), ("From", "+15005550006")]).await;
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["sid"], second["sid"]);
    assert_eq!(found(&[("StartTime>", "2026-01-01")]).await.len(), 2);
    assert_eq!(
        found(&[("StartTime>=", "2026-01-01T00:00:00Z")])
            .await
            .len(),
        2
    );
    assert_eq!(found(&[("StartTime>=", "9999-01-01")]).await.len(), 0);
}

#[tokio::test]
async fn who_is_not_who_they_say_or_asks_nonsense_is_told_twilios_code() {
    let phone = telephone(&Faults::default()).await;
    let calls = format!("{}/Calls.json", phone.base);
    let answer = phone
        .client
        .get(&calls)
        .basic_auth("AC1", Some("wrong"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], 20003);
    assert_eq!(phone.client.get(&calls).send().await.unwrap().status(), 401);
    assert_eq!(phone.get(".json").await.1["status"], "active");
    assert_eq!(phone.get("/Calls/CA0.json").await.1["code"], 20404);
    assert_eq!(phone.get("0/Calls.json").await.1["code"], 20404);
    let (status, refusal) = phone.place("112").await;
    assert_eq!((status, &refusal["code"]), (400, &json!(21217)));
    assert_eq!(phone.service.calls(), json!([]));
}

#[tokio::test]
async fn a_telephone_service_fails_as_its_fault_says() {
    let faults = Faults::default();
    let phone = telephone(&faults).await;
    for (fault, status) in [("500", 500), ("429", 429)] {
        faults.put(json!({"phone": fault})).unwrap();
        let (got, body) = phone.place("+306900000001").await;
        assert_eq!(
            (got, body["status"].as_u64()),
            (status, Some(u64::from(status)))
        );
    }
    assert_eq!(phone.service.calls(), json!([]));
    for fault in ["busy", "no-answer"] {
        faults.put(json!({"phone": fault})).unwrap();
        let (_, call) = phone.place("+306900000001").await;
        let seen = phone.until(call["sid"].as_str().unwrap(), fault).await;
        assert!(!seen.contains(&"in-progress".to_owned()), "{seen:?}");
    }
}

#[tokio::test]
async fn a_telephone_service_that_hangs_places_nothing_until_it_is_mended() {
    let faults = Faults::default();
    let phone = telephone(&faults).await;
    faults.put(json!({"phone": "hang"})).unwrap();
    let gave_up = phone
        .placing("+306900000001")
        .timeout(A_MOMENT)
        .send()
        .await;
    assert!(gave_up.unwrap_err().is_timeout());
    let waiting = phone.place("+306900000002");
    tokio::pin!(waiting);
    assert!(timeout(A_MOMENT, &mut waiting).await.is_err());
    faults.put(json!({"phone": null})).unwrap();
    assert_eq!(timeout(DEADLINE, waiting).await.unwrap().0, 201);
    let calls = phone.service.calls();
    assert_eq!(
        calls.as_array().unwrap().len(),
        1,
        "who gave up is not called"
    );
}

/// Reads the port as a plain file, in a thread of its own: chunks, and the end when it hangs up.
fn read_port(path: &Path) -> Receiver<Vec<u8>> {
    let mut port = File::open(path).unwrap();
    let (chunks, receiver) = channel();
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = port.read(&mut chunk) {
            if chunks.send(chunk[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The next line, whatever it holds; `None` when the port has hung up.
fn line(port: &Receiver<Vec<u8>>, rest: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            return Some(rest.drain(..=end).collect());
        }
        match port.recv_timeout(DEADLINE) {
            Ok(chunk) => rest.extend(chunk),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("the port is silent"),
        }
    }
}

/// A line that is whole: its text before ` *`.
fn sound(line: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (text, crc) = text.rsplit_once(" *")?;
    let sum = text.bytes().fold(0xFFFFu16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    });
    (crc == format!("{sum:04X}")).then(|| text.to_owned())
}

fn node(faults: &Faults) -> (SimulatedNode, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let keys = [NodeKey::Gas, NodeKey::Beam];
    let node = SimulatedNode::start("kitchen", &keys, directory.path(), faults).unwrap();
    (node, directory)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_sends_a_line_each_second_and_at_once_on_a_change() {
    let (node, _directory) = node(&Faults::default());
    let (port, mut rest) = (read_port(node.port()), Vec::new());
    let first = sound(&line(&port, &mut rest).unwrap()).unwrap();
    let words: Vec<&str> = first.split(' ').collect();
    assert_eq!((words[0], words[1]), ("ASF1", "kitchen"));
    assert_eq!((words[4], words[6]), ("gas=0", "beam=0"));
    let raw: u16 = words[5].strip_prefix("raw=").unwrap().parse().unwrap();
    assert!((1..1023).contains(&raw));
    // Fifty changes within less than the heartbeat's second, and each is there in its order.
    for n in 0..50 {
        node.set(NodeKey::Gas, n % 2 == 0);
    }
    let mut levels = Vec::new();
    let mut seq: u32 = words[2].parse().unwrap();
    while levels.len() < 50 {
        let text = sound(&line(&port, &mut rest).unwrap()).unwrap();
        let next: u32 = text.split(' ').nth(2).unwrap().parse().unwrap();
        assert_eq!(next, seq + 1);
        seq = next;
        let level = text.contains("gas=1");
        if levels.last() != Some(&level) {
            levels.push(level);
        }
        if levels.len() == 1 && !level {
            levels.clear();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_reads_is_lost_and_does_not_pile_up() {
    let (node, _directory) = node(&Faults::default());
    for n in 0..10_000 {
        node.set(NodeKey::Beam, n % 2 == 0);
    }
    // Somebody who opens it and does not read: the buffer fills, and nothing waits for it.
    let unread = File::open(node.port()).unwrap();
    for n in 0..10_000 {
        node.set(NodeKey::Beam, n % 2 == 0);
    }
    drop(unread);
    node.set(NodeKey::Beam, true);
    let (port, mut rest) = (read_port(node.port()), Vec::new());
    let mut text = None;
    while text.is_none() {
        text = sound(&line(&port, &mut rest).unwrap());
    }
    let text = text.unwrap();
    let seq: u32 = text.split(' ').nth(2).unwrap().parse().unwrap();
    assert!(seq > 20_000, "news, not what was written long ago: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_cable_hangs_up_and_comes_back_under_another_name() {
    let faults = Faults::default();
    let (node, _directory) = node(&faults);
    let name = |node: &SimulatedNode| -> Option<PathBuf> { std::fs::read_link(node.port()).ok() };
    let before = name(&node).unwrap();
    let (port, mut rest) = (read_port(node.port()), Vec::new());
    assert!(line(&port, &mut rest).is_some());
    faults.put(json!({"nodemcu": "unplugged"})).unwrap();
    while line(&port, &mut rest).is_some() {}
    assert_eq!(name(&node), None);
    node.set(NodeKey::Gas, true);
    faults.put(json!({"nodemcu": null})).unwrap();
    let back = async {
        while name(&node).is_none() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, back).await.unwrap();
    assert_ne!(name(&node).unwrap(), before);
    let (port, mut rest) = (read_port(node.port()), Vec::new());
    let text = sound(&line(&port, &mut rest).unwrap()).unwrap();
    assert!(text.contains("gas=1"), "it goes on as it is: {text}");
    drop(node);
    while line(&port, &mut rest).is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_noisy_line_some_lines_are_damaged_and_some_are_whole() {
    let faults = Faults::default();
    let (node, _directory) = node(&faults);
    faults.put(json!({"nodemcu": "garbage"})).unwrap();
    let (port, mut rest) = (read_port(node.port()), Vec::new());
    let (mut good, mut bad) = (0, 0);
    // The fault arrives with the node's own pace, then it is seen within two lines.
    while bad < 5 {
        node.set(NodeKey::Gas, true);
        match sound(&line(&port, &mut rest).unwrap()) {
            Some(_) => good += 1,
            None => bad += 1,
        }
        assert!(good < 10_000);
    }
    assert!(good > 0);
    faults.put(json!({"nodemcu": null})).unwrap();
    let mut whole = 0;
    while whole < 20 {
        node.set(NodeKey::Gas, false);
        whole = match sound(&line(&port, &mut rest).unwrap()) {
            Some(_) => whole + 1,
            None => 0,
        };
    }
}
