//! The mail server.

use asfaleia::clock::monotonic_nanos;
use asfaleia::simulator::{Faults, MailServer};
use lettre::message::{Attachment, MultiPart, SinglePart, header::ContentType};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{A_MOMENT, DEADLINE};

pub(crate) fn transport(server: &MailServer) -> AsyncSmtpTransport<Tokio1Executor> {
    AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.address().ip().to_string())
        .port(server.address().port())
        .credentials(Credentials::new("anna".into(), "secret".into()))
        .authentication(vec![Mechanism::Plain])
        .build()
}

pub(crate) fn mail(jpeg: &[u8]) -> Message {
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
pub(crate) struct Talk(pub(crate) BufReader<TcpStream>);

impl Talk {
    pub(crate) async fn with(server: &MailServer) -> Talk {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        Talk(BufReader::new(stream))
    }

    /// Sends these bytes and reads this many replies, each by its code.
    pub(crate) async fn say(&mut self, text: &str, replies: usize) -> Vec<u16> {
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
