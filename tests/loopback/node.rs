//! The NodeMCU, on a pseudo-terminal.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use asfaleia::config::NodeKey;
use asfaleia::simulator::{Faults, SimulatedNode};
use serde_json::json;
use tokio::time::timeout;

use crate::DEADLINE;

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
    let deadline = Instant::now() + Duration::from_secs(20);
    // The fault arrives with the node's own pace, then it is seen within two lines.
    while bad < 5 {
        node.set(NodeKey::Gas, true);
        match sound(&line(&port, &mut rest).unwrap()) {
            Some(_) => good += 1,
            None => bad += 1,
        }
        assert!(Instant::now() < deadline, "{good} lines, and {bad} bad");
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
