//! Serial ports: are the nodes' there, are they free, and who speaks on them?

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::holders::{self, Holder};
use super::user::User;
use super::{Finding, Part, Service, blocking, fingers, late};
use crate::config::{Config, NodeMcu, NodePort};
use crate::sensors::port::{self, Ports};
use crate::sensors::{Heard, listen};

const PART: Part = Part::Serial;
/// A node sends each second, and takes about a second to start when its port is opened.
const LISTEN: Duration = Duration::from_secs(6);

/// What is known of one device file.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) path: PathBuf,
    pub(super) holders: Vec<Holder>,
    /// Found, and what mends it: the service may not open it.
    pub(super) shut_out: Option<(String, String)>,
    /// What came from it; why not; `None`: it was left alone.
    heard: Option<Result<Heard, String>>,
}

/// Looks at the ports of nodes and reader. A port that somebody has open is left alone; the others
/// are listened to, side by side, which resets their NodeMCUs.
pub(super) async fn look(config: &Arc<Config>, service: &Service, user: &User) -> Vec<Finding> {
    let reader = fingers::reader(config);
    if config.nodemcus.is_empty() && reader.is_none() {
        return Vec::new();
    }
    let ports = Ports::default();
    let nodes = config.nodemcus.iter();
    let nodes: Vec<(&NodeMcu, Vec<PathBuf>)> = nodes
        .map(|node| (node, ports.candidates(&node.port)))
        .collect();
    let paths: BTreeSet<PathBuf> = nodes.iter().flat_map(|(_, paths)| paths.clone()).collect();
    let by_id = port::by_id();
    let reader_path = reader.as_ref().map(|reader| reader.port.clone());
    let Some(mut known) = rights(paths.iter().cloned().chain(reader_path), user).await else {
        return vec![late(PART)];
    };
    let mut examined = None;
    if !service.may_hold_devices() {
        let free = paths
            .into_iter()
            .filter(|path| known[path].holders.is_empty());
        let mut listening = JoinSet::new();
        for path in free {
            listening.spawn(async move { (listen(&path, LISTEN).await, path) });
        }
        if let Some(reader) = &reader
            && known[&reader.port].holders.is_empty()
        {
            examined = Some(fingers::examined(config, reader).await);
        }
        while let Some(Ok((heard, path))) = listening.join_next().await {
            known
                .entry(path)
                .and_modify(|port| port.heard = Some(heard));
        }
    }
    let mut findings = Vec::new();
    for (node, paths) in &nodes {
        let ports: Vec<&Port> = paths.iter().filter_map(|path| known.get(path)).collect();
        let there: Vec<&Port> = ports
            .into_iter()
            .filter(|port| port.path.exists())
            .collect();
        findings.push(judged(node, &there, service.may_hold_devices(), &by_id));
    }
    if let Some(port) = reader.and_then(|reader| known.get(&reader.port)) {
        findings.push(fingers::judged(port, examined));
    }
    findings
}

async fn rights(
    paths: impl Iterator<Item = PathBuf>,
    user: &User,
) -> Option<BTreeMap<PathBuf, Port>> {
    let paths: Vec<PathBuf> = paths.collect();
    let user = user.clone();
    let look = move |path: PathBuf| {
        let port = Port {
            holders: holders::of(&path),
            shut_out: user.shut_out(&path),
            heard: None,
            path: path.clone(),
        };
        (path, port)
    };
    blocking(move || paths.into_iter().map(look).collect()).await
}

/// One node and the device files that may be its port. Pure, but for their names.
fn judged(node: &NodeMcu, there: &[&Port], service_runs: bool, by_id: &[PathBuf]) -> Finding {
    let name = node.name.as_str();
    let error = |found: String, mend: &str| Finding::error(PART, name, found, mend);
    if there.is_empty() {
        let wanted = match &node.port {
            NodePort::Path(path) => path.display().to_string(),
            NodePort::Usb { vendor, product } => format!("a USB port {vendor}:{product}"),
        };
        let mend = match by_id {
            [] => {
                "plug it in with a cable that has data wires; /dev/serial/by-id lists what is there"
                    .to_owned()
            }
            ports => format!("plug it in, or name one that is: {}", list(ports)),
        };
        return error(format!("{wanted} is not there"), &mend);
    }
    if let Some((found, mend)) = there.iter().find_map(|port| port.shut_out.clone()) {
        return error(found, &mend);
    }
    let strangers = there.iter().flat_map(|port| &port.holders);
    if let Some(stranger) = strangers.clone().find(|it| !it.is_asfaleia()) {
        let found = format!("{} has its port open", stranger.words());
        return error(
            found,
            "end that program: two readers take each other's lines",
        );
    }
    if service_runs || strangers.clone().next().is_some() {
        let port = there[0].path.display();
        let found = format!("{port} is there; the service reads it (asfaleia status)");
        return Finding::ok(PART, name, found);
    }
    let heard = there
        .iter()
        .filter_map(|port| Some((*port, port.heard.as_ref()?)));
    if let Some((port, _)) = heard
        .clone()
        .find(|(_, heard)| matches!(heard, Ok(heard) if heard.nodes.contains(name)))
    {
        return Finding::ok(PART, name, format!("speaks on {}", port.path.display()));
    }
    let (port, said) = match heard.clone().next() {
        Some((port, said)) => (port.path.display(), said),
        None => return error("its port was not listened to".to_owned(), "look again"),
    };
    match said {
        Err(why) => Finding::told(PART, name, why, "is it free, and its user in dialout?"),
        Ok(heard) if !heard.nodes.is_empty() => {
            let other = heard.nodes.iter().cloned().collect::<Vec<_>>().join(", ");
            error(
                format!("on {port} speaks the node \"{other}\""),
                "give the two the same name: [[nodemcu]] name, or NODE_NAME in its firmware; or name \
                 another port",
            )
        }
        Ok(heard) if heard.bytes == 0 => error(
            format!(
                "{port} could be opened, and nothing came within {} s",
                LISTEN.as_secs()
            ),
            "is firmware/nodemcu on it, and does its lamp blink? try another cable and supply",
        ),
        Ok(heard) => error(
            format!(
                "{} bytes came from {port}, and no line of a node's",
                heard.bytes
            ),
            "load firmware/nodemcu; if it is on it: cable, ground, supply (115200 baud)",
        ),
    }
}

fn list(paths: &[PathBuf]) -> String {
    let names = paths
        .iter()
        .map(|path: &PathBuf| Path::display(path).to_string());
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn node() -> NodeMcu {
        NodeMcu {
            name: "kitchen".to_owned(),
            port: NodePort::Usb {
                vendor: "1a86".to_owned(),
                product: "7523".to_owned(),
            },
        }
    }

    fn port(path: &str, nodes: &[&str], bytes: usize) -> Port {
        Port {
            path: path.into(),
            holders: Vec::new(),
            shut_out: None,
            heard: Some(Ok(Heard {
                nodes: nodes.iter().map(|&node| node.to_owned()).collect(),
                bad_lines: 0,
                bytes,
            })),
        }
    }

    fn of(ports: &[Port], runs: bool) -> Finding {
        let ports: Vec<&Port> = ports.iter().collect();
        judged(&node(), &ports, runs, &["/dev/serial/by-id/x".into()])
    }

    #[test]
    fn a_node_is_told_from_its_twin_by_its_name() {
        let twins = [
            port("/dev/ttyUSB0", &["door"], 90),
            port("/dev/ttyUSB1", &["kitchen"], 90),
        ];
        let found = of(&twins, false);
        assert_eq!(found.verdict, Verdict::Ok);
        assert!(found.found.contains("ttyUSB1"), "{found:?}");
    }

    #[test]
    fn what_is_wrong_with_a_port_is_said_with_what_mends_it() {
        for (ports, found, mend) in [
            (vec![], "1a86:7523 is not there", "by-id/x"),
            (vec![port("/dev/a", &["door"], 9)], "\"door\"", "name"),
            (vec![port("/dev/a", &[], 0)], "nothing came", "lamp"),
            (vec![port("/dev/a", &[], 700)], "700 bytes", "firmware"),
            (
                vec![Port {
                    shut_out: Some(("shut".to_owned(), "adduser".to_owned())),
                    ..port("/dev/a", &[], 0)
                }],
                "shut",
                "adduser",
            ),
        ] {
            let finding = of(&ports, false);
            assert_eq!(finding.verdict, Verdict::Error);
            assert!(finding.found.contains(found), "{finding:?}");
            assert!(finding.mend.as_ref().unwrap().contains(mend), "{finding:?}");
        }
    }

    #[test]
    fn a_port_that_the_service_reads_is_left_to_it() {
        let left = Port {
            heard: None,
            ..port("/dev/ttyUSB0", &[], 0)
        };
        assert_eq!(of(&[left], true).verdict, Verdict::Ok);
    }
}
