//! Who asks. The place where sessions of the dashboard and API tokens come in.

use axum::http::{HeaderMap, StatusCode, header};

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

/// Who asks: the socket is the owner (its file rights say who may), so is loopback under
/// `simulate`; any other TCP shows a token.
pub(super) fn who(house: &House, peer: Peer, headers: &HeaderMap) -> Result<Actor, Problem> {
    match (peer, house.kind) {
        (Peer::Socket, ServiceKind::Run | ServiceKind::Simulate) => {
            Ok(Actor::owner(Origin::Socket))
        }
        (Peer::Tcp { ours }, ServiceKind::Simulate) if ours.ip().is_loopback() => {
            Ok(Actor::owner(Origin::Dashboard))
        }
        (Peer::Tcp { .. }, ServiceKind::Run | ServiceKind::Simulate) => bearer(headers)
            .and_then(|token| house.tokens.holder(token))
            .map(|holder| Actor {
                name: Some(holder.name),
                origin: Origin::Token,
                right: holder.right,
                with: Vec::new(),
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
