//! Who speaks on a serial port: for who wants to know, while nobody else has it open.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::line::{self, LineBuffer};
use super::nodemcu::Node;
use super::port::Ports;
use crate::config::NodePort;

/// What came from a port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// The nodes that spoke, in lines whose checksum is right. One, if all is well.
    pub nodes: BTreeSet<String>,
    /// Lines that were none, the first one apart: it may have begun before we listened.
    pub bad_lines: u32,
    /// Bytes.
    pub bytes: usize,
}

/// Opens the port as a node's, reads until a node has spoken, and closes it.
///
/// # Errors
///
/// A sentence that says why it cannot be opened or read, and what mends that.
pub async fn listen(path: &Path, within: Duration) -> Result<Heard, String> {
    let deadline = Instant::now() + within;
    let port = NodePort::Path(path.to_owned());
    let opened = Ports::default()
        .open(&port, Node::BAUD, HashSet::new())
        .await;
    let port = opened.map_err(|error| error.to_string())?;
    let mut heard = Heard::default();
    let mut lines = 0;
    let mut buffer = LineBuffer::default();
    let mut chunk = [0; 512];
    while heard.nodes.is_empty() {
        let count = match timeout_at(deadline, port.read(&mut chunk)).await {
            Err(_) => break,
            Ok(Ok(0)) => return Err("the port hung up: was the cable pulled?".to_owned()),
            Ok(Ok(count)) => count,
            Ok(Err(error)) => return Err(format!("reading {}: {error}", path.display())),
        };
        heard.bytes += count;
        buffer.push(&chunk[..count], |bytes| {
            match line::parse(bytes) {
                Ok(line) => drop(heard.nodes.insert(line.node)),
                Err(_) if lines == 0 => {}
                Err(_) => heard.bad_lines += 1,
            }
            lines += 1;
        });
    }
    Ok(heard)
}
