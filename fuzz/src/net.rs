//! What servers answer.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use asfaleia::clock::WallTime;
use asfaleia::config::Login;
use asfaleia::notify::http::Answer;
use asfaleia::notify::smtp::{Envelope, Session, ready_for_tls};
use asfaleia::notify::twilio::Asked;
use asfaleia::notify::{Failure, PlaceFailure};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::is_presentable;

/// A mail server's side of a conversation. First byte: how it is cut, and what is asked of it.
pub fn smtp(data: &[u8]) {
    const MAIL: &[u8] = b"Subject: x\r\n\r\n.dot\r\n";
    let Some((how, replies)) = data.split_first() else {
        return;
    };
    let said = Arc::new(Mutex::new(Vec::new()));
    let wire = Conversation {
        replies: replies.to_vec(),
        at: 0,
        at_once: usize::from(how & 0x1f) * 16 + 1,
        said: said.clone(),
    };
    let login = (how & 0x20 != 0).then(|| Login {
        username: "anna".into(),
        password: "not-to-be-told".to_owned().into(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a thread can run tasks");
    let outcome = runtime.block_on(async {
        let deadline = Instant::now() + Duration::from_secs(60);
        if how & 0x40 != 0 {
            let opened = ready_for_tls(wire, deadline).await;
            return opened.map(|_| None).map_err(|e| e.to_string());
        }
        let to = if how & 0x80 != 0 {
            "älla@example.org"
        } else {
            "anna@example.org"
        };
        let to = to.parse().expect("it is an address");
        let from = "house@example.org".parse().expect("it is an address");
        let envelope = Envelope::new(Some(from), vec![to]).expect("somebody gets it");
        let mut session = Session::begin(Box::new(wire), true, login.as_ref(), deadline)
            .await
            .map_err(|e| e.to_string())?;
        let reply = session.send(&envelope, MAIL, deadline).await;
        session.quit(deadline).await;
        reply.map(Some).map_err(|e| e.to_string())
    });
    let said = said.lock().expect("nobody panicked with it").clone();
    let said = String::from_utf8(said).expect("we speak UTF-8");
    match outcome {
        Ok(Some(reply)) => {
            is_presentable(&reply, 400);
            assert!(said.contains("\r\n\r\n..dot\r\n.\r\n"), "{said}");
        }
        Ok(None) => assert!(said.ends_with("STARTTLS\r\n"), "{said}"),
        Err(why) => {
            is_presentable(&why, 500);
            assert!(!why.contains("not-to-be-told"));
        }
    }
    assert!(said.len() < 1024, "{said}");
}

/// Says what it was given, whatever it hears, and then hangs up.
struct Conversation {
    replies: Vec<u8>,
    at: usize,
    at_once: usize,
    said: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Conversation {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = self.replies.len() - self.at;
        let count = rest.min(self.at_once).min(into.remaining());
        into.put_slice(&self.replies[self.at..self.at + count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Conversation {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut said = self.said.lock().expect("nobody panicked with it");
        said.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A telephone service's answer: a status line's number, a line end, `Retry-After`, a line end, the
/// body.
pub fn twilio(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let status = String::from_utf8_lossy(part()).parse().unwrap_or(200);
    let retry_after = Some(String::from_utf8_lossy(part()).into_owned());
    let answer = Answer {
        status,
        retry_after: retry_after.filter(|it| !it.is_empty()),
        body: part().to_vec(),
    };
    let asked = Asked {
        doing: "calling +30…4567",
        to: "+302101234567",
        from: "+15005550006",
        account_sid: "AC0123456789",
    };
    let told = |why: &str| {
        is_presentable(why, 400);
        for secret in [asked.to, asked.from, asked.account_sid] {
            assert!(!why.contains(secret), "{why:?}");
        }
    };
    let refused = |failure: Failure| match failure {
        Failure::Temporary { why, after } => {
            told(&why);
            assert!(after.is_none_or(|after| after <= Duration::from_secs(600)));
        }
        Failure::Permanent { why } => {
            told(&why);
            assert!(!(500..600).contains(&answer.status) && answer.status != 429);
        }
    };
    match asked.placed(&answer) {
        Ok(_) => assert!(answer.is_success()),
        Err(PlaceFailure::Uncertain { why }) => {
            told(&why);
            assert!(answer.is_success(), "refused is refused");
        }
        Err(PlaceFailure::Temporary { why, after }) => refused(Failure::Temporary { why, after }),
        Err(PlaceFailure::Permanent { why, .. }) => refused(Failure::Permanent { why }),
    }
    if let Err(failure) = asked.found(&answer, WallTime(1_795_427_471_000)) {
        refused(failure);
    }
    if let Err(failure) = asked.followed(&answer) {
        refused(failure);
    }
    if let Err(failure) = asked.ended(&answer) {
        refused(failure);
    }
}
