//! The ways to people: mail, telephone, webhooks, heartbeat. Nothing is sent unless asked for.

use std::sync::Arc;

use secrecy::ExposeSecret;

use super::{Finding, NETWORK, Part};
use crate::alarm::{About, Actor, Notice, Origin};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Contact, Email, Login, Phone};
use crate::notify::smtp::SmtpError;
use crate::notify::{Account, Caller, Failure, Mailer, Outgoing, Telephone, http, masked};

/// Asks every server, side by side.
pub(super) async fn look(config: &Arc<Config>, send: bool) -> Vec<Finding> {
    let (mail, phone, webhooks) = tokio::join!(
        async {
            match &config.email {
                Some(email) => mail(email, config, send).await,
                None => Vec::new(),
            }
        },
        async {
            match &config.phone {
                Some(phone) => telephone(phone).await,
                None => Vec::new(),
            }
        },
        addresses(config),
    );
    [mail, phone, webhooks].into_iter().flatten().collect()
}

/// A secret that could not be read is told where the configuration is.
fn is_missing(login: &Login) -> bool {
    login.password.expose_secret().is_empty()
}

fn not_tried(part: Part, subject: &str) -> Vec<Finding> {
    let found = "not tried: its secret could not be read";
    let mend = "see above; or look as root: `sudo asfaleia doctor`";
    vec![Finding::error(part, subject, found, mend)]
}

async fn mail(email: &Email, config: &Config, send: bool) -> Vec<Finding> {
    let server = format!("{}:{}", email.host, email.port);
    if email.login.as_ref().is_some_and(is_missing) {
        return not_tried(Part::Mail, &server);
    }
    let mailer = match Mailer::new(email) {
        Ok(mailer) => mailer,
        Err(error) => {
            let mend = "`asfaleia check` shows the line";
            return vec![Finding::told(Part::Mail, server, &error.to_string(), mend)];
        }
    };
    if let Err(error) = mailer.knock(NETWORK).await {
        let found = error.to_string();
        return vec![Finding::error(Part::Mail, server, found, mail_mend(&error))];
    }
    let encrypted = match email.security {
        crate::config::SmtpSecurity::StartTls => "STARTTLS with a certificate that is right",
        crate::config::SmtpSecurity::Tls => "TLS with a certificate that is right",
        crate::config::SmtpSecurity::Plaintext => "no encryption, on this machine",
    };
    let login = match &email.login {
        Some(login) => format!("takes the login of {}", login.username),
        None => "wants no login".to_owned(),
    };
    let found = format!("greets; {encrypted}; {login}");
    let mut findings = vec![Finding::ok(Part::Mail, server, found)];
    if send {
        let to = config
            .contacts
            .iter()
            .filter(|contact| contact.email.is_some());
        let sent = to.map(|contact| test_mail(&mailer, contact, config));
        findings.extend(futures_util::future::join_all(sent).await);
    }
    findings
}

/// What mends it, by how far the conversation came.
fn mail_mend(error: &SmtpError) -> &'static str {
    match error {
        SmtpError::Broken { doing, .. } => match *doing {
            "looking up its address" => "[email] host; is there a network, and a name server?",
            "connecting" => "[email] host and port (587 starttls, 465 tls); many networks block 25",
            "waiting for the greeting" => {
                "port 465 wants security = \"tls\"; else the server, or a firewall, is silent"
            }
            "agreeing on TLS" => {
                "[email] host must be the certificate's name; a CA of your own: ca-file; is the clock \
                 right?"
            }
            _ => "the server does not keep up the conversation: try again, or ask who runs it",
        },
        SmtpError::Refused { doing, .. } => match *doing {
            "logging in" => {
                "username and password-file in [email]; many providers want an app password"
            }
            _ => "the server's own words say why; ask who runs it",
        },
        SmtpError::Lacking { .. } => {
            "[email] port and security: 587 with \"starttls\", 465 with \"tls\"; or another server"
        }
    }
}

async fn test_mail(mailer: &Mailer, contact: &Contact, config: &Config) -> Finding {
    let clock = SystemClock::new();
    let now = clock.wall();
    let by = Actor::owner(Origin::Socket);
    let mail = Outgoing {
        notice: Notice::plain(About::Test { by }, clock.boot()),
        site: config.site.name.clone(),
        happened: now,
        now,
        clock_set: now.is_set(),
        photos: Vec::new(),
        photo_missing: None,
        message_id: format!(
            "{:016x}.doctor@{}.asfaleia",
            fastrand::u64(..),
            config.site.id
        ),
        in_reply_to: None,
        first_call: None,
    };
    let subject = contact.name.as_str();
    let sent = tokio::time::timeout(NETWORK, mailer.deliver(contact, &mail)).await;
    match sent {
        Ok(Ok(delivered)) => {
            let found = format!("a test mail was taken: {}", delivered.reply);
            Finding::ok(Part::Mail, subject, found)
        }
        Ok(Err(failure)) => {
            let mend = "the contact's email, and the server's own words";
            Finding::error(Part::Mail, subject, failure.to_string(), mend)
        }
        Err(_) => {
            let found = format!("a test mail was not taken within {} s", NETWORK.as_secs());
            Finding::error(Part::Mail, subject, found, "try again; is the server busy?")
        }
    }
}

async fn telephone(phone: &Phone) -> Vec<Finding> {
    let subject = "account";
    if is_missing(&phone.login) {
        return not_tried(Part::Phone, subject);
    }
    let telephone = match Telephone::new(phone) {
        Ok(telephone) => telephone.with_patience(NETWORK / 2),
        Err(error) => {
            let mend = "`asfaleia check` shows the line";
            return vec![Finding::told(
                Part::Phone,
                subject,
                &error.to_string(),
                mend,
            )];
        }
    };
    let (account, caller) = tokio::join!(telephone.account(), telephone.caller());
    let by_key = phone.login.username != phone.account_sid;
    let account = account_judged(&account, by_key && caller.is_ok());
    // One cause, one finding: what the account's answer says is not said again of the number.
    let well = account.verdict != super::Verdict::Error;
    let number = well.then(|| caller_judged(&phone.from, caller));
    std::iter::once(account).chain(number).collect()
}

/// A restricted key may not ask for its account; that it may ask for numbers shows that it is right.
fn account_judged(account: &Result<Account, Failure>, key_works: bool) -> Finding {
    let subject = "account";
    match account {
        Ok(account) if !["", "active"].contains(&account.status.as_str()) => {
            let found = format!("the account is {}", account.status);
            Finding::error(
                Part::Phone,
                subject,
                found,
                "the telephone service's console says why",
            )
        }
        Ok(account) if account.kind == "Trial" => Finding::warning(
            Part::Phone,
            subject,
            "active, on trial: it calls verified numbers alone, with a notice before each call",
            "verify every contact's number in the service's console, or upgrade the account",
        ),
        Ok(_) => Finding::ok(Part::Phone, subject, "active, and takes the login"),
        Err(_) if key_works => Finding::ok(Part::Phone, subject, "takes the key"),
        Err(failure) => {
            let mend = match failure {
                Failure::Permanent { .. } => {
                    "[phone] account-sid, and the token or key in its file"
                }
                Failure::Temporary { .. } => "[phone] base-url; is there a network? then try again",
            };
            Finding::error(Part::Phone, subject, failure.to_string(), mend)
        }
    }
}

fn caller_judged(from: &str, caller: Result<Caller, Failure>) -> Finding {
    let from = masked(from);
    match caller {
        Ok(Caller::Own) => Finding::ok(Part::Phone, from, "is the account's own, and may call"),
        Ok(Caller::Verified) => Finding::ok(Part::Phone, from, "is a verified number"),
        Ok(Caller::WithoutVoice) => Finding::error(
            Part::Phone,
            from,
            "is the account's own, for messages alone",
            "[phone] from wants a number that can call (voice)",
        ),
        Ok(Caller::Unknown) => Finding::error(
            Part::Phone,
            from,
            "is neither the account's nor a verified number: calls from it are refused",
            "[phone] from: buy or verify the number in the service's console",
        ),
        Err(failure) => Finding::warning(
            Part::Phone,
            from,
            format!("the service does not tell whether it may call: {failure}"),
            "asfaleia test call",
        ),
    }
}

/// Webhooks and heartbeat are connected to; only a request would show more.
async fn addresses(config: &Config) -> Vec<Finding> {
    let hooks = config.webhooks.iter().filter(|hook| !hook.url.is_empty());
    let hooks = hooks.map(|hook| {
        (
            hook.name.as_str(),
            hook.url.as_str(),
            hook.ca_file.as_deref(),
        )
    });
    let heartbeat = config.messages.heartbeat.as_deref();
    let all = hooks.chain(heartbeat.map(|url| ("heartbeat", url, None)));
    let asked = all.map(|(name, url, ca_file)| async move {
        match http::reach(url, ca_file, NETWORK).await {
            Ok(()) => Finding::ok(Part::Webhook, name, "its server answers; nothing was sent"),
            Err(why) => {
                let mend = "its url and ca-file; is there a network? is the clock right?";
                Finding::error(Part::Webhook, name, why, mend)
            }
        }
    });
    futures_util::future::join_all(asked).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn account(status: &str, kind: &str) -> Result<Account, Failure> {
        Ok(Account {
            status: status.to_owned(),
            kind: kind.to_owned(),
        })
    }

    fn refused() -> Failure {
        Failure::Permanent {
            why: "401".to_owned(),
        }
    }

    #[test]
    fn an_account_is_judged_by_its_state_and_a_key_by_what_it_may() {
        let verdict = |account, key| account_judged(&account, key).verdict;
        assert_eq!(verdict(account("active", "Full"), false), Verdict::Ok);
        assert_eq!(verdict(account("active", "Trial"), false), Verdict::Warning);
        assert_eq!(verdict(account("suspended", "Full"), false), Verdict::Error);
        assert_eq!(verdict(Err(refused()), false), Verdict::Error);
        assert_eq!(verdict(Err(refused()), true), Verdict::Ok);
    }

    #[test]
    fn a_number_that_may_not_call_is_an_error_and_is_shown_masked() {
        let from = "+15005550006";
        for (caller, verdict) in [
            (Ok(Caller::Own), Verdict::Ok),
            (Ok(Caller::Verified), Verdict::Ok),
            (Ok(Caller::WithoutVoice), Verdict::Error),
            (Ok(Caller::Unknown), Verdict::Error),
            (Err(refused()), Verdict::Warning),
        ] {
            let finding = caller_judged(from, caller);
            assert_eq!(finding.verdict, verdict);
            assert!(!format!("{finding:?}").contains(from));
        }
    }
}
