//! Who may log in, and tokens of programs: for owners. A guest changes their own password.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::answer::Problem;
use super::fields::Fields;
use super::login::problem;
use super::principal::{Visitor, owner_only};
use crate::alarm::{Actor, Origin, Right};
use crate::login::is_name_of;

/// What somebody is let in as.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Owner,
    Guest,
}

impl From<Role> for Right {
    fn from(role: Role) -> Right {
        match role {
            Role::Owner => Right::Owner,
            Role::Guest => Right::Guest,
        }
    }
}

pub(super) async fn list(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
) -> Result<Json<Value>, Problem> {
    owner_only(&by, "the list of accounts")?;
    let accounts = app.house.logins.accounts().into_iter();
    let accounts: Vec<Value> = accounts
        .map(|it| json!({ "name": it.name, "role": it.right, "since": it.since.rfc3339() }))
        .collect();
    Ok(Json(json!({ "accounts": accounts })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    name: Option<String>,
    password: Option<SecretString>,
    role: Option<Role>,
    current: Option<SecretString>,
}

/// A new account, or a new password or role of an old one. Whoever changes their own at the dashboard
/// shows the one they have: a telephone that lies about is not enough.
pub(super) async fn set(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Fields(new): Fields<NewPassword>,
) -> Result<Json<Value>, Problem> {
    let logins = &app.house.logins;
    let by = visitor.actor;
    let own = by.name.clone().filter(|_| by.origin == Origin::Dashboard);
    let name = new.name.or_else(|| own.clone());
    let (Some(name), Some(password)) = (name, new.password) else {
        return Err(Problem::bad(
            r#"say who, and which: {"name": "Anna", "password": "…", "role": "owner"|"guest"}"#,
        ));
    };
    let is_own = own.as_ref().is_some_and(|own| is_name_of(&name, own));
    if !is_own || new.role.is_some() {
        owner_only(&by, "letting others in")?;
    }
    if let Some(own) = own.filter(|_| is_own) {
        let current = new.current.ok_or_else(|| {
            Problem::bad(r#"say the password that you have too: {"current": "…"}"#)
        })?;
        let proven = logins.proves(&own, current, visitor.place).await;
        proven.map_err(|why| problem(&why))?;
    }
    let right = new.role.map(Right::from);
    let set = logins.set_password(&name, right, password, by, visitor.place, visitor.key);
    let account = set.await.map_err(|why| problem(&why))?;
    Ok(Json(
        json!({ "done": true, "name": account.name, "role": account.right }),
    ))
}

pub(super) async fn remove(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    owner_only(&visitor.actor, "removing accounts")?;
    let Path(name) = path?;
    let logins = &app.house.logins;
    let removed = logins.remove_account(&name, visitor.actor, visitor.place);
    removed.await.map_err(|why| problem(&why))?;
    Ok(Json(json!({ "done": true })))
}

pub(super) async fn tokens(
    State(app): State<App>,
    Extension(by): Extension<Actor>,
) -> Result<Json<Value>, Problem> {
    owner_only(&by, "the list of tokens")?;
    let tokens = app.house.logins.tokens().into_iter();
    let tokens: Vec<Value> = tokens
        .map(|it| json!({ "name": it.name, "role": it.right, "since": it.since.rfc3339() }))
        .collect();
    Ok(Json(json!({ "tokens": tokens })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    name: Option<String>,
    role: Option<Role>,
}

/// The token is in this answer and nowhere else.
pub(super) async fn add_token(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Fields(new): Fields<NewToken>,
) -> Result<Json<Value>, Problem> {
    owner_only(&visitor.actor, "giving out tokens")?;
    let name = new.name.ok_or_else(|| {
        Problem::bad(r#"say what for: {"name": "home assistant", "role": "owner"|"guest"}"#)
    })?;
    let right = Right::from(new.role.unwrap_or(Role::Guest));
    let logins = &app.house.logins;
    let added = logins.add_token(&name, right, visitor.actor, visitor.place);
    let token = added.await.map_err(|why| problem(&why))?;
    Ok(Json(json!({ "token": token })))
}

pub(super) async fn revoke(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    owner_only(&visitor.actor, "revoking tokens")?;
    let Path(name) = path?;
    let logins = &app.house.logins;
    let revoked = logins.revoke_token(&name, visitor.actor, visitor.place);
    revoked.await.map_err(|why| problem(&why))?;
    Ok(Json(json!({ "done": true })))
}
