//! The dashboard's door, at the built program: passwords, tokens, certificates, and who tries them.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::json;

use crate::api::{DEADLINE, until};
use crate::home::{Home, Service};
use crate::process::{asfaleia, later_address, outcome};

const PASSWORD: &str = "correct horse";

/// A home whose service listens on TCP, with this besides in `[web]`.
fn home(more: &str) -> (Home, SocketAddr) {
    let address = later_address();
    let web = format!("[web]\nlisten = \"{address}\"\n{more}\n[store]");
    (Home::with(&[("[store]", &web)]), address)
}

/// With passwords as cheap as they can be: a test tries thousands.
fn start(home: &Home) -> Service {
    let mut command = home.command();
    command.args(["--password-kib", "8"]);
    home.launch(command)
}

fn connect(to: SocketAddr, from: IpAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        socket.connect(to).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Status and the whole answer.
fn ask(mut wire: impl Read + Write, request: &str) -> (u16, String) {
    wire.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // TLS without its good-bye is an end as well.
    let _ = wire.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    (status.unwrap_or(0), answer)
}

fn form(host: &str, scheme: &str, path: &str, fields: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {scheme}://{host}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{fields}",
        fields.len()
    )
}

fn get(host: &str, path: &str, header: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{header}\r\n")
}

fn cookie(answer: &str) -> String {
    let cookie = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.unwrap_or_else(|| panic!("no cookie: {answer}"));
    cookie.split(';').next().unwrap().to_owned()
}

fn log_in(address: SocketAddr, from: &str, password: &str) -> (u16, String) {
    let fields = format!("name=Anna&password={}", password.replace(' ', "+"));
    let wire = connect(address, from.parse().unwrap());
    ask(wire, &form(&address.to_string(), "http", "/login", &fields))
}

fn sets_password(home: &Home, name: &str, password: &str) -> (i32, String, String) {
    let mut command = home.cli_command(&["password", name, "--stdin"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let typed = format!("{password}\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(typed.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_password_set_at_the_command_line_lets_in_also_after_a_power_cut() {
    let (home, address) = home("");
    let service = start(&home);
    let log = until("the code in the log", || {
        let log = service.running.log();
        log.contains("the code for the first visit is")
            .then_some(log)
    });
    assert!(log.contains("asfaleia password NAME"), "{log}");
    let (code, said, why) = sets_password(&home, "Anna", PASSWORD);
    assert_eq!(code, 0, "{why}");
    assert!(said.contains("Anna (owner)"), "{said}");
    assert_eq!(sets_password(&home, "Anna", "short").0, 65);
    let (status, answer) = log_in(address, "127.0.0.1", PASSWORD);
    assert_eq!(status, 303, "{answer}");
    let cookie = format!("Cookie: {}\r\n", cookie(&answer));
    let host = address.to_string();
    let status = || {
        let wire = connect(address, [127, 0, 0, 1].into());
        ask(wire, &get(&host, "/api/v1/status", &cookie)).0
    };
    assert_eq!(status(), 200);
    service.running.kill();

    let service = start(&home);
    assert_eq!(status(), 200, "the telephone stays logged in");
    let told = json!(service.api.get("events?last=20")).to_string();
    for said in [
        r#""did":"account-added""#,
        r#""did":"logged-in""#,
        r#""place":"127.0.0.1""#,
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
    let log = service.running.log();
    for secret in [
        PASSWORD,
        "argon2id",
        cookie.trim_end().split_once('=').unwrap().1,
    ] {
        assert!(!told.contains(secret) && !log.contains(secret), "{secret}");
    }
    assert_eq!(
        log.matches("the code for the first visit").count(),
        1,
        "{log}"
    );
    assert_eq!(
        home.cli(&["account", "remove", "Anna"]).0,
        75,
        "the last owner"
    );
}

#[test]
fn a_token_is_printed_once_and_lets_a_program_in_until_it_is_revoked() {
    let (home, address) = home("");
    let _service = start(&home);
    let (code, token, why) = home.cli(&["token", "add", "grafana"]);
    assert_eq!(code, 0, "{why}");
    let bearer = format!("Authorization: Bearer {}\r\n", token.trim());
    let host = address.to_string();
    let metrics = || {
        let wire = connect(address, [127, 0, 0, 1].into());
        ask(wire, &get(&host, "/metrics", &bearer)).0
    };
    assert_eq!(metrics(), 200);
    let (_, listed, _) = home.cli(&["token", "list"]);
    assert!(listed.starts_with("grafana: guest, since "), "{listed}");
    assert_eq!(home.cli(&["token", "revoke", "grafana"]).0, 0);
    assert_eq!(metrics(), 401);
    assert_eq!(home.cli(&["token", "revoke", "grafana"]).0, 66);
}

#[test]
fn two_thousand_wrong_passwords_lock_their_sender_and_disturb_nobody_else() {
    let (home, address) = home("");
    let service = start(&home);
    assert_eq!(sets_password(&home, "Anna", PASSWORD).0, 0);
    service.until_heard();
    let memory = || -> u64 {
        let status = format!("/proc/{}/status", service.running.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    };
    let tries = |count: usize| {
        let answers = (0..count).map(|n| log_in(address, "127.0.0.1", &format!("wrong {n}")).0);
        answers.fold((0, 0), |(wrong, locked), status| match status {
            401 => (wrong + 1, locked),
            429 => (wrong, locked + 1),
            other => panic!("{other}"),
        })
    };
    tries(200); // what is made once is made
    let before = memory();
    let (wrong, locked) = tries(1_800);
    assert!(
        wrong <= 10 && locked >= 1_790,
        "{wrong} compared, {locked} locked"
    );
    let grown = memory().saturating_sub(before);
    assert!(grown < 4_096, "{grown} kB more");
    assert_eq!(
        log_in(address, "127.0.0.1", PASSWORD).0,
        429,
        "it is locked"
    );
    assert_eq!(
        log_in(address, "127.0.0.2", PASSWORD).0,
        303,
        "another is not"
    );
    // The panel does its work meanwhile and after it.
    service.api.pulse("hall");
    home.gas(true);
    service.api.until_output("exhaust", true);
    let refused = service
        .api
        .get("events?last=100")
        .to_string()
        .matches("\"login\"")
        .count();
    assert!(refused <= 6, "history is not filled: {refused}");
}

/// TLS as a browser that trusts this certificate.
fn encrypted(address: SocketAddr, host: &str, trusted: &Path) -> impl Read + Write {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(trusted).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let wire = connect(address, [127, 0, 0, 1].into());
    rustls::StreamOwned::new(connection, wire)
}

fn makes_certificate(out: &Path) -> String {
    let mut command = asfaleia();
    command
        .args(["certificate", "--name", "house.example", "--out"])
        .arg(out);
    let (code, said, why) = outcome(command);
    assert_eq!(code, 0, "{why}");
    said
}

#[test]
fn with_a_certificate_of_its_own_the_service_speaks_tls_and_takes_a_renewed_one() {
    use std::os::unix::fs::PermissionsExt;
    let (home, address) =
        home("tls = { certificate = \"DIR/asfaleia.crt\", key-file = \"DIR/asfaleia.key\" }");
    let dir = home.dir.path();
    let (crt, key) = (dir.join("asfaleia.crt"), dir.join("asfaleia.key"));
    let said = makes_certificate(dir);
    assert!(
        said.contains("SHA-256 fingerprint: ") && said.contains("house.example"),
        "{said}"
    );
    assert!(
        said.contains(&format!("key-file = \"{}\"", key.display())),
        "{said}"
    );
    assert_eq!(
        std::fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let mut again = asfaleia();
    again.arg("certificate").arg("--out").arg(dir);
    assert_eq!(outcome(again).0, 73, "a key is not written over");

    let service = start(&home);
    assert_eq!(sets_password(&home, "Anna", PASSWORD).0, 0);
    let port = address.port();
    let host = format!("house.example:{port}");
    let fields = "name=Anna&password=correct+horse";
    let wire = encrypted(address, "house.example", &crt);
    let (status, answer) = ask(wire, &form(&host, "https", "/login", fields));
    assert_eq!(status, 303, "{answer}");
    assert!(
        answer.contains("__Host-asfaleia=") && answer.contains("; Secure"),
        "{answer}"
    );
    for (host, wanted) in [
        (format!("127.0.0.1:{port}"), 200),
        ("evil.example".to_owned(), 403),
        (format!("evil.example:{port}"), 403),
    ] {
        let wire = encrypted(address, "127.0.0.1", &crt);
        assert_eq!(ask(wire, &get(&host, "/healthz", "")).0, wanted, "{host}");
    }
    // Plain HTTP is told so, and who says nothing holds nobody up.
    let mut silent = connect(address, [127, 0, 0, 1].into());
    let plain = connect(address, [127, 0, 0, 1].into());
    let (status, answer) = ask(plain, &get(&host, "/healthz", ""));
    assert!(status == 400 && answer.contains("https://"), "{answer}");

    std::fs::remove_file(&crt).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert_eq!(home.cli(&["reload"]).0, 78, "without it nothing changes");
    makes_certificate(dir);
    assert_eq!(home.cli(&["reload"]).0, 0);
    until("the renewed certificate", || {
        let mut wire = encrypted(address, "127.0.0.1", &crt);
        let request = get(&format!("127.0.0.1:{port}"), "/healthz", "");
        wire.write_all(request.as_bytes()).ok()?;
        let mut answer = [0; 12];
        wire.read_exact(&mut answer).ok()?;
        (&answer == b"HTTP/1.1 200").then_some(())
    });
    // No handshake within ten seconds: hung up on.
    assert_eq!(silent.read(&mut [0; 16]).unwrap_or(0), 0);
    assert!(service.running.stop().success());
}

#[test]
fn a_certificate_and_a_key_that_do_not_belong_together_are_refused_where_they_stand() {
    let (home, _) =
        home("tls = { certificate = \"DIR/asfaleia.crt\", key-file = \"DIR/asfaleia.key\" }");
    let other = tempfile::tempdir().unwrap();
    makes_certificate(home.dir.path());
    makes_certificate(other.path());
    assert_eq!(home.cli(&["check"]).0, 0);
    std::fs::copy(
        other.path().join("asfaleia.crt"),
        home.dir.path().join("asfaleia.crt"),
    )
    .unwrap();
    let (code, _, why) = home.cli(&["check"]);
    assert_eq!(code, 78, "{why}");
    assert!(
        why.contains("do not go together") && why.contains("tls ="),
        "{why}"
    );
}

#[test]
fn a_sensors_name_breaks_out_of_no_mail() {
    let name = "hall \"<b>&'\u{1f600}";
    let written = format!("name = {}", json!(name));
    let home = Home::with(&[("name = \"hall\"", &written)]);
    let service = home.armed();
    let path = "sim/sensors/hall%20%22%3Cb%3E%26'%F0%9F%98%80";
    let (status, body) = service.api.ask("PUT", path, &json!({ "pulse": "200ms" }));
    assert_eq!(status, 200, "{body}");
    let mail = &home.until_mails(&format!("ALARM motion in {name}"), 1)[0];
    assert_eq!(mail["to"], json!(["anna@example.org"]));
    assert!(mail["text"].as_str().unwrap().contains(name), "{mail}");
    for name in [
        "a\\r\\nBcc: eve@example.org",
        "a\\nb",
        "a\\u0000",
        &"x".repeat(10_000),
    ] {
        home.write(&home.config(&[("name = \"hall\"", &format!("name = \"{name}\""))]));
        let (code, _, why) = home.cli(&["check"]);
        assert_eq!(code, 78, "{name}: {why}");
    }
}
