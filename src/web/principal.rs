//! Who asks. The place where sessions of the dashboard and API tokens come in.

use axum::http::{HeaderMap, StatusCode, header};
use ring::digest::{SHA256, digest};

use super::answer::Problem;
use super::guard::Peer;
use super::{House, ServiceKind};
use crate::alarm::{Actor, Origin, Right};

/// The tokens that were given out.
pub trait Tokens: Send + Sync {
    /// Who holds this token. An implementation keeps hashes and compares hashes, so that neither
    /// a copied file nor the time an answer takes gives a token away.
    fn holder(&self, token: &str) -> Option<Holder>;
}

/// Who holds a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The name it was given out under.
    pub name: String,
    /// What it allows.
    pub right: Right,
}

/// No token was ever given out.
#[derive(Debug, Clone, Copy)]
pub struct NoTokens;

impl Tokens for NoTokens {
    fn holder(&self, _: &str) -> Option<Holder> {
        None
    }
}

/// Who asks. Beside every request stands this and, for most of what is asked, the actor alone.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// Who, from where, with what right.
    pub(super) actor: Actor,
    /// Who comes with a session's cookie must send this back with whatever changes something: as
    /// the header `x-csrf-token`, or as a form's field `csrf`. Pages carry it as
    /// `<meta name="csrf-token" content="…">`. `None`: nothing to send back.
    pub(super) csrf: Option<String>,
}

impl Visitor {
    fn without_session(actor: Actor) -> Self {
        Visitor { actor, csrf: None }
    }

    /// A page that we gave this visitor sent this back.
    pub(super) fn proves(&self, sent: Option<&str>) -> Result<(), Problem> {
        let Some(csrf) = &self.csrf else {
            return Ok(());
        };
        // Compared as hashes: how long it takes says nothing of the right one.
        let hash = |text: &str| digest(&SHA256, text.as_bytes());
        let right = sent.is_some_and(|sent| hash(sent).as_ref() == hash(csrf).as_ref());
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
pub(super) fn who(house: &House, peer: Peer, headers: &HeaderMap) -> Result<Visitor, Problem> {
    match (peer, house.kind) {
        (Peer::Socket, ServiceKind::Run | ServiceKind::Simulate) => {
            let owner = Actor::owner(Origin::Socket);
            Ok(Visitor::without_session(owner))
        }
        (Peer::Tcp { ours }, ServiceKind::Simulate) if ours.ip().is_loopback() => {
            let owner = Actor::owner(Origin::Dashboard);
            Ok(Visitor::without_session(owner))
        }
        (Peer::Tcp { .. }, ServiceKind::Run | ServiceKind::Simulate) => bearer(headers)
            .and_then(|token| house.tokens.holder(token))
            .map(|holder| {
                Visitor::without_session(Actor {
                    name: Some(holder.name),
                    origin: Origin::Token,
                    right: holder.right,
                    with: Vec::new(),
                })
            })
            .ok_or_else(|| {
                Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "this address asks for an API token (Authorization: Bearer …); without one, \
                     use the Unix socket, as the command `asfaleia status` does",
                )
            }),
    }
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
