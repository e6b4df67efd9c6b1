//! Who asks.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, header};

use super::answer::Problem;
use super::guard::Peer;
use super::{House, ServiceKind};
use crate::alarm::{Actor, Origin, Right};
use crate::login::{Holder, Key, Place};
use crate::store::Hash;

/// Who asks. Beside every request stands this and, for most of what is asked, the actor alone.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// Who, from where, with what right.
    pub(super) actor: Actor,
    /// Who comes with a session's cookie must send this back with whatever changes something: as
    /// the header `x-csrf-token`, or as a form's field `csrf`. Pages carry it as
    /// `<meta name="csrf-token" content="…">`. `None`: nothing to send back.
    pub(super) csrf: Option<String>,
    /// The session or token; `None` for the socket, and for `simulate`, which has neither.
    pub(super) key: Option<Key>,
    /// Where they are.
    pub(super) place: Place,
}

impl Visitor {
    fn owner(origin: Origin, place: Place) -> Self {
        Visitor {
            actor: Actor::owner(origin),
            csrf: None,
            key: None,
            place,
        }
    }

    fn holding(holder: Holder, origin: Origin, csrf: Option<String>, place: Place) -> Self {
        let actor = Actor {
            name: Some(holder.name),
            origin,
            right: holder.right,
            with: Vec::new(),
        };
        let key = Some(holder.key);
        Visitor {
            actor,
            csrf,
            key,
            place,
        }
    }

    /// A page that we gave this visitor sent this back.
    pub(super) fn proves(&self, sent: Option<&str>) -> Result<(), Problem> {
        let Some(csrf) = &self.csrf else {
            return Ok(());
        };
        // Compared as hashes: how long it takes says nothing of the right one.
        let right = sent.is_some_and(|sent| Hash::of(sent) == Hash::of(csrf));
        right.then_some(()).ok_or_else(|| {
            Problem::new(
                StatusCode::FORBIDDEN,
                "this does not come from a page of this session: load the page again",
            )
        })
    }
}

/// Who asks: the socket is the owner (its file rights say who may), so is loopback under
/// `simulate`; any other TCP shows a token or a session's cookie.
pub(super) fn who(house: &House, peer: &Peer, headers: &HeaderMap) -> Result<Visitor, Problem> {
    let place = place(peer, headers);
    match (peer, house.kind) {
        (Peer::Socket, ServiceKind::Run | ServiceKind::Simulate) => {
            return Ok(Visitor::owner(Origin::Socket, place));
        }
        (Peer::Tcp { ours, .. }, ServiceKind::Simulate) if ours.ip().is_loopback() => {
            return Ok(Visitor::owner(Origin::Dashboard, place));
        }
        (Peer::Tcp { .. }, ServiceKind::Run | ServiceKind::Simulate) => {}
    }
    // Who shows a token means it: no page elsewhere can add one.
    if headers.contains_key(header::AUTHORIZATION) {
        let holder = bearer(headers).and_then(|token| house.logins.token(token));
        let holder = holder.ok_or_else(|| unknown("this is no API token, or was revoked"))?;
        return Ok(Visitor::holding(holder, Origin::Token, None, place));
    }
    let session = cookie(headers, cookie_name(peer)).and_then(|secret| {
        let holder = house.logins.session(secret)?;
        let csrf = Some(house.logins.csrf(secret));
        Some(Visitor::holding(holder, Origin::Dashboard, csrf, place))
    });
    session.ok_or_else(|| {
        unknown(
            "log in at /login; a program shows an API token (Authorization: Bearer …, see `asfaleia \
             token`); on the machine itself use the command line, such as `asfaleia status`",
        )
    })
}

fn unknown(why: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, why)
}

/// Where a request comes from. Behind a proxy its last word counts: what stands before it in
/// `X-Forwarded-For` anybody may have written.
pub(super) fn place(peer: &Peer, headers: &HeaderMap) -> Place {
    let Peer::Tcp {
        theirs, proxied, ..
    } = peer
    else {
        return Place::CommandLine;
    };
    if !proxied {
        return Place::Address(*theirs);
    }
    let last = headers.get_all("x-forwarded-for").iter().next_back();
    let last = last
        .and_then(|all| all.to_str().ok())
        .and_then(|all| all.rsplit(',').next())
        .and_then(|last| last.trim().parse::<IpAddr>().ok());
    last.map_or(Place::Proxy, Place::Address)
}

/// Whoever connects is at this machine, and not behind a proxy that is.
pub(super) fn is_here(peer: &Peer) -> bool {
    match peer {
        Peer::Socket => true,
        Peer::Tcp {
            theirs, proxied, ..
        } => theirs.to_canonical().is_loopback() && !proxied,
    }
}

/// What browsers see is encrypted.
pub(super) fn is_encrypted(peer: &Peer) -> bool {
    match peer {
        Peer::Socket => false,
        Peer::Tcp {
            certificate,
            proxied,
            ..
        } => certificate.is_some() || *proxied,
    }
}

/// Where it can, the name says that no other name of this machine, and no page without encryption,
/// has set it (RFC 6265bis, section 4.1.3.2).
pub(super) fn cookie_name(peer: &Peer) -> &'static str {
    match is_encrypted(peer) {
        true => "__Host-asfaleia",
        false => "asfaleia",
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// The owner, or a refusal that says what was asked for.
pub(super) fn owner_only(by: &Actor, what: &str) -> Result<(), Problem> {
    match by.right {
        Right::Owner => Ok(()),
        Right::Guest | Right::Bridge => Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!("{what} is for owners; {} is none", by.who()),
        )),
    }
}

/// An owner at the dashboard, or a refusal that says nothing of what was asked for. Whoever forces
/// an owner has their command line and their programs at hand, but not their session.
pub(super) fn owner_at_the_dashboard(by: &Actor) -> Result<(), Problem> {
    match (by.origin, by.right) {
        (Origin::Dashboard, Right::Owner) => Ok(()),
        (Origin::Dashboard, Right::Guest | Right::Bridge)
        | (
            Origin::Socket | Origin::Token | Origin::Mqtt | Origin::Reader | Origin::Schedule,
            Right::Owner | Right::Guest | Right::Bridge,
        ) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "this is for an owner's session on the dashboard",
        )),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}
