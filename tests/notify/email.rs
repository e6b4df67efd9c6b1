//! Mail over a real conversation.

use std::time::Duration;

use asfaleia::config::{Contact, Email, Login, SmtpSecurity};
use asfaleia::notify::{Failure, Mailer, Patience};
use mail_parser::{MessageParser, MimeHeaders};

use crate::authority::Authority;
use crate::mail_server::{Act, MailServer, Script, Seen, Step, Tls};
use crate::{about, alarm, burglary, photo, soon};

const SHORT: Patience = Patience {
    connect: Duration::from_secs(10),
    delivery: Duration::from_secs(10),
    parked: Duration::from_millis(100),
};

fn email(server: &MailServer) -> Email {
    Email {
        host: "localhost".into(),
        port: server.address.port(),
        security: SmtpSecurity::StartTls,
        login: Some(Login {
            username: "me@example.org".into(),
            password: "secret".into(),
        }),
        from: "Asfaleia <me@example.org>".into(),
        follow_up: Duration::from_secs(60),
        ca_file: Some(server.authority.file().to_owned()),
    }
}

fn anna() -> Contact {
    Contact {
        name: "Άννα".into(),
        email: Some("anna@example.org".into()),
        phone: None,
        duress: false,
    }
}

fn mailer(server: &MailServer) -> Mailer {
    Mailer::new(&email(server)).unwrap()
}

async fn outcome_of(act: (Step, Act)) -> Failure {
    let script = Script {
        act: Some((act.0, act.1, usize::MAX)),
        ..Script::default()
    };
    let server = MailServer::start(script).await;
    let patience = match act.1 {
        Act::Hang => SHORT,
        Act::Say(_) | Act::HangUp => Patience::default(),
    };
    let mailer = Mailer::with_patience(&email(&server), patience).unwrap();
    let outcome = soon(mailer.deliver(&anna(), &burglary())).await;
    outcome.expect_err("the server did not agree")
}

#[tokio::test]
async fn a_mail_arrives_with_its_photo_inline_and_attached() {
    let mut server = MailServer::start(Script::default()).await;
    let mut mail = burglary();
    mail.photos = vec![photo(5, 60_000), photo(6, 100)];
    mail.in_reply_to = Some("17.0@home.asfaleia".into());
    let delivered = soon(mailer(&server).deliver(&anna(), &mail)).await.unwrap();
    assert_eq!(delivered.reply, "250 2.0.0 queued as 4711");

    let (bytes, commands) = server.mail().await;
    assert!(
        commands
            .iter()
            .any(|c| c == "AUTH PLAIN AG1lQGV4YW1wbGUub3JnAHNlY3JldA==")
    );
    assert!(commands.iter().any(|c| c == "MAIL FROM:<me@example.org>"));
    assert!(commands.iter().any(|c| c == "RCPT TO:<anna@example.org>"));
    assert!(bytes.is_ascii());

    let parsed = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(parsed.subject(), Some("Home: ALARM motion in hall"));
    assert_eq!(parsed.message_id(), Some("17.1@home.asfaleia"));
    assert_eq!(parsed.in_reply_to().as_text(), Some("17.0@home.asfaleia"));
    assert_eq!(parsed.references().as_text(), Some("17.0@home.asfaleia"));
    assert_eq!(
        parsed.header_raw("Auto-Submitted").map(str::trim),
        Some("auto-generated")
    );
    assert_eq!(parsed.date().unwrap().to_rfc3339(), "2026-11-23T02:13:08Z");
    let to = parsed.to().unwrap().first().unwrap();
    assert_eq!(to.name(), Some("Άννα"));
    assert_eq!(to.address(), Some("anna@example.org"));
    assert!(parsed.body_text(0).unwrap().contains("Motion in hall"));
    let html = parsed.body_html(0).unwrap();

    let attachments: Vec<_> = parsed.attachments().collect();
    assert_eq!(attachments.len(), 2);
    for (attachment, photo) in attachments.iter().zip(&mail.photos) {
        assert_eq!(attachment.contents(), &*photo.jpeg);
        assert!(attachment.is_content_type("image", "jpeg"));
        let disposition = attachment.content_disposition().unwrap();
        assert!(disposition.is_attachment());
        let name = attachment.attachment_name().unwrap();
        assert!(
            name.starts_with(&format!("photo-{}-2026-11-2", photo.id)),
            "{name}"
        );
        assert!(name.ends_with(".jpg"));
        let id = attachment.content_id().unwrap();
        assert!(html.contains(&format!("src=\"cid:{id}\"")));
    }
}

#[tokio::test]
async fn names_with_quotes_and_emoji_survive_and_line_breaks_do_not() {
    let mut server = MailServer::start(Script::default()).await;
    let mut mail = about(alarm(
        "\"Gran's\" room 🧸\r\nBcc: thief@example.org",
        asfaleia::alarm::SensorKind::Contact,
    ));
    mail.site = "Σπίτι\nSubject: nothing".into();
    soon(mailer(&server).deliver(&anna(), &mail)).await.unwrap();
    let (bytes, _) = server.mail().await;
    let parsed = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(
        parsed.subject(),
        Some(
            "Σπίτι Subject: nothing: ALARM contact open at \"Gran's\" room 🧸 Bcc: thief@example.org"
        )
    );
    assert!(parsed.bcc().is_none());
    assert!(parsed.body_text(0).unwrap().contains("\"Gran's\" room 🧸"));
}

#[tokio::test]
async fn lines_that_begin_with_a_dot_arrive_as_they_are() {
    let mut server = MailServer::start(Script::default()).await;
    let mut mail = burglary();
    // Its own line in the text, and short enough not to be folded.
    mail.photo_missing = None;
    mail.site = ".".into();
    mail.notice.about = asfaleia::alarm::About::Inhibited {
        sensor: ".hidden".into(),
        why: "it stays open".into(),
    };
    soon(mailer(&server).deliver(&anna(), &mail)).await.unwrap();
    let (bytes, _) = server.mail().await;
    let parsed = MessageParser::default().parse(&bytes).unwrap();
    assert!(
        parsed
            .body_text(0)
            .unwrap()
            .starts_with(".hidden is inhibited")
    );
}

#[tokio::test]
async fn login_and_pipelining_follow_what_the_server_offers() {
    let script = Script {
        auth: "LOGIN",
        pipelining: true,
        ..Script::default()
    };
    let mut server = MailServer::start(script).await;
    soon(mailer(&server).deliver(&anna(), &burglary()))
        .await
        .unwrap();
    let (_, commands) = server.mail().await;
    assert!(
        commands
            .iter()
            .any(|c| c == "bWVAZXhhbXBsZS5vcmc= c2VjcmV0")
    );
}

#[tokio::test]
async fn tls_from_the_first_byte_works_as_well() {
    let script = Script {
        tls: Tls::FromTheStart,
        ..Script::default()
    };
    let mut server = MailServer::start(script).await;
    let mut email = email(&server);
    email.security = SmtpSecurity::Tls;
    let mailer = Mailer::new(&email).unwrap();
    soon(mailer.deliver(&anna(), &burglary())).await.unwrap();
    server.mail().await;
}

#[tokio::test]
async fn a_server_on_loopback_may_go_without_tls_and_login() {
    let script = Script {
        tls: Tls::Never,
        auth: "",
        ..Script::default()
    };
    let mut server = MailServer::start(script).await;
    let mut email = email(&server);
    email.security = SmtpSecurity::Plaintext;
    email.login = None;
    let mailer = Mailer::new(&email).unwrap();
    soon(mailer.deliver(&anna(), &burglary())).await.unwrap();
    server.mail().await;
}

#[tokio::test]
async fn without_starttls_neither_password_nor_mail_leaves() {
    let script = Script {
        tls: Tls::Never,
        ..Script::default()
    };
    let mut server = MailServer::start(script).await;
    let failure = soon(mailer(&server).deliver(&anna(), &burglary()))
        .await
        .unwrap_err();
    assert!(failure.to_string().contains("STARTTLS"), "{failure}");
    assert!(matches!(failure, Failure::Temporary { after: Some(_), .. }));
    for seen in server.so_far() {
        if let Seen::Command(command) = seen {
            assert!(command.starts_with("EHLO"), "{command}");
        }
    }
}

#[tokio::test]
async fn a_certificate_of_strangers_or_for_another_name_is_refused() {
    let mut server = MailServer::start(Script::default()).await;
    let stranger = Authority::new();
    let mut trusting = email(&server);
    trusting.ca_file = Some(stranger.file().to_owned());
    let mut system = email(&server);
    system.ca_file = None;
    let elsewhere =
        MailServer::start_as(Script::default(), Authority::for_name("example.org")).await;
    for email in [trusting, system, email(&elsewhere)] {
        let mailer = Mailer::new(&email).unwrap();
        let failure = soon(mailer.deliver(&anna(), &burglary()))
            .await
            .unwrap_err();
        assert!(matches!(failure, Failure::Temporary { .. }));
        let text = failure.to_string();
        assert!(text.contains("agreeing on TLS"), "{text}");
    }
    assert!(
        !server
            .so_far()
            .iter()
            .any(|seen| matches!(seen, Seen::Command(c) if c.starts_with("AUTH")))
    );
}

#[tokio::test]
async fn a_temporary_refusal_at_any_step_is_worth_another_try() {
    for step in [
        Step::Greeting,
        Step::Ehlo,
        Step::StartTls,
        Step::Auth,
        Step::Mail,
        Step::Rcpt,
        Step::Data,
        Step::Content,
    ] {
        let failure = outcome_of((step, Act::Say("451 4.3.0 try later"))).await;
        assert!(
            matches!(failure, Failure::Temporary { after: None, .. }),
            "{step:?}: {failure:?}"
        );
        assert!(
            failure.to_string().contains("451 4.3.0 try later"),
            "{step:?}: {failure}"
        );
    }
}

#[tokio::test]
async fn a_permanent_refusal_of_the_mail_is_permanent_and_tells_the_reply() {
    for step in [Step::Mail, Step::Rcpt, Step::Data, Step::Content] {
        let failure = outcome_of((step, Act::Say("550-5.1.1 nobody\r\n550 5.1.1 here"))).await;
        assert!(
            matches!(failure, Failure::Permanent { .. }),
            "{step:?}: {failure:?}"
        );
        assert!(
            failure.to_string().contains("550 5.1.1 nobody 5.1.1 here"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_again_but_not_soon() {
    let failure = outcome_of((Step::Auth, Act::Say("535 5.7.8 no"))).await;
    let Failure::Temporary { why, after } = failure else {
        panic!("a mended password must still bring the mail");
    };
    assert_eq!(after, Some(Duration::from_secs(60)));
    assert!(why.contains("535 5.7.8 no"), "{why}");
    assert!(!why.contains("secret"));
}

#[tokio::test]
async fn a_server_that_hangs_at_any_step_is_given_up_in_time() {
    let steps = [
        (Step::Greeting, "greeting"),
        (Step::Ehlo, "hello"),
        (Step::StartTls, "asking for TLS"),
        (Step::Auth, "logging in"),
        (Step::Mail, "sender"),
        (Step::Rcpt, "recipient"),
        (Step::Data, "announcing"),
        (Step::Content, "sending the mail"),
    ];
    let tries = steps.map(|(step, doing)| async move {
        let failure = outcome_of((step, Act::Hang)).await;
        assert!(matches!(failure, Failure::Temporary { .. }));
        let text = failure.to_string();
        assert!(
            text.contains(doing) && text.contains("no answer in time"),
            "{step:?}: {text}"
        );
    });
    futures_util::future::join_all(tries).await;
}

#[tokio::test]
async fn a_connection_that_breaks_at_any_step_is_worth_another_try() {
    for step in [
        Step::Greeting,
        Step::StartTls,
        Step::Auth,
        Step::Rcpt,
        Step::MidContent,
        Step::Content,
    ] {
        let failure = outcome_of((step, Act::HangUp)).await;
        assert!(
            matches!(failure, Failure::Temporary { after: None, .. }),
            "{step:?}: {failure:?}"
        );
    }
}

#[tokio::test]
async fn nobody_listening_is_worth_another_try() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = MailServer::start(Script::default()).await;
    let mut email = email(&server);
    email.port = listener.local_addr().unwrap().port();
    drop(listener);
    let mailer = Mailer::new(&email).unwrap();
    let failure = soon(mailer.deliver(&anna(), &burglary()))
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::Temporary { .. }));
    assert!(failure.to_string().contains("connecting"), "{failure}");
}

#[tokio::test]
async fn prepared_sessions_are_used_one_for_each_mail() {
    let mut server = MailServer::start(Script::default()).await;
    let mailer = mailer(&server);
    mailer.prepare(2);
    mailer.prepare(2);
    let early = server.command("AUTH").await;
    let contact = anna();
    let mail = burglary();
    let (one, two) = soon(async {
        tokio::join!(
            mailer.deliver(&contact, &mail),
            mailer.deliver(&contact, &mail)
        )
    })
    .await;
    one.unwrap();
    two.unwrap();
    let late = server.command("QUIT").await + server.command("QUIT").await;
    assert_eq!(early + late, 2, "a session for each mail");
}

#[tokio::test]
async fn a_prepared_session_that_nobody_wants_takes_leave() {
    let mut server = MailServer::start(Script::default()).await;
    let mailer = Mailer::with_patience(&email(&server), SHORT).unwrap();
    mailer.prepare(1);
    assert_eq!(server.command("QUIT").await, 1);
    assert!(
        !server
            .so_far()
            .iter()
            .any(|seen| matches!(seen, Seen::Mail(_)))
    );
}

#[tokio::test]
async fn a_prepared_session_that_went_stale_is_replaced_by_a_fresh_one() {
    for act in [Act::HangUp, Act::Say("421 4.4.2 too long")] {
        let script = Script {
            act: Some((Step::Mail, act, 1)),
            ..Script::default()
        };
        let mut server = MailServer::start(script).await;
        let mailer = mailer(&server);
        mailer.prepare(1);
        server.command("AUTH").await;
        soon(mailer.deliver(&anna(), &burglary())).await.unwrap();
        server.mail().await;
    }
}

#[test]
fn a_ca_file_without_a_certificate_is_refused_with_its_name() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    let email = Email {
        host: "localhost".into(),
        port: 25,
        security: SmtpSecurity::Tls,
        login: None,
        from: "me@example.org".into(),
        follow_up: Duration::ZERO,
        ca_file: Some(empty.path().to_owned()),
    };
    let refused = Mailer::new(&email).err().unwrap().to_string();
    assert!(
        refused.contains(empty.path().to_str().unwrap()),
        "{refused}"
    );
    assert!(refused.contains("PEM"));
}
