//! `asfaleia certificate`: a key and a self-signed certificate for the dashboard.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::{IpAddr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use ring::digest::{SHA256, digest};

use super::exit::{Exit, Failed, Result};

/// `asfaleia certificate`
#[derive(Args)]
pub(super) struct CertificateArgs {
    /// The directory to write `asfaleia.crt` and `asfaleia.key` into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A further name or address that browsers ask for; may be repeated
    #[arg(long, value_name = "HOST")]
    name: Vec<String>,
}

/// Ten years: nobody is reminded to renew it, and whoever trusts it compared its fingerprint.
const YEARS: i32 = 10;

pub(super) fn certificate(args: &CertificateArgs) -> Result {
    let names = names(&args.name);
    let failed = |error: rcgen::Error| {
        Failed::new(
            Exit::Data,
            format!("making a certificate for {}: {error}", names.join(", ")),
        )
    };
    let mut certificate = CertificateParams::new(names.clone()).map_err(failed)?;
    certificate.distinguished_name = DistinguishedName::new();
    let subject = format!("asfaleia at {}", names[0]);
    certificate
        .distinguished_name
        .push(DnType::CommonName, subject);
    certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // A Pi's clock may stand at 1970 while it is made: from any time on.
    let year = jiff::Timestamp::now()
        .in_tz("UTC")
        .map_or(2026, |now| i32::from(now.year()));
    certificate.not_before = rcgen::date_time_ymd(2026, 1, 1);
    certificate.not_after = rcgen::date_time_ymd(year.max(2026) + YEARS, 1, 1);
    let key = KeyPair::generate().map_err(failed)?;
    let made = certificate.self_signed(&key).map_err(failed)?;

    let (crt, pem) = (args.out.join("asfaleia.crt"), args.out.join("asfaleia.key"));
    write(&pem, &key.serialize_pem(), 0o600)?;
    write(&crt, &made.pem(), 0o644)?;
    let mut out = std::io::stdout();
    writeln!(out, "for: {}", names.join(", "))?;
    writeln!(out, "SHA-256 fingerprint: {}", fingerprint(made.der()))?;
    writeln!(out, "\nPut this into the configuration:\n")?;
    writeln!(out, "[web]\nlisten = \"0.0.0.0:8443\"")?;
    writeln!(
        out,
        "tls = {{ certificate = \"{}\", key-file = \"{}\" }}",
        crt.display(),
        pem.display()
    )?;
    writeln!(
        out,
        "\nThe service must be able to read both: sudo chown asfaleia: {} {}\nThen restart it, open \
         https://{}:8443, and compare the fingerprint that the browser shows before you trust it.",
        crt.display(),
        pem.display(),
        names[0]
    )?;
    Ok(())
}

/// This machine's name, as routers and Avahi spread it, its address, and what was asked for.
fn names(asked: &[String]) -> Vec<String> {
    let mut names = asked.to_vec();
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    if !host.is_empty() && host != "localhost" {
        names.push(format!("{host}.local"));
        names.push(host);
    }
    names.extend(own_address().map(|address| address.to_string()));
    names.extend(["localhost", "127.0.0.1", "::1"].map(String::from));
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.to_lowercase()));
    names
}

/// The address that this machine has in its network. Nothing is sent: the kernel says from where it
/// would be (the address is one of RFC 5737's, which nobody has).
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// As browsers show it: pairs of hexadecimal digits.
fn fingerprint(certificate: &[u8]) -> String {
    let mut text = String::new();
    for (nth, byte) in digest(&SHA256, certificate).as_ref().iter().enumerate() {
        let colon = if nth == 0 { "" } else { ":" };
        write!(text, "{colon}{byte:02X}").expect("a String takes everything");
    }
    text
}

/// A file that is there already is somebody's.
fn write(path: &Path, text: &str, mode: u32) -> Result {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        Failed::new(
            Exit::CantCreate,
            format!(
                "writing {}: {error} (name a directory that is there, and move an older file away)",
                path.display()
            ),
        )
    })
}
