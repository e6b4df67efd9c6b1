//! Who may log in, as rows: accounts, their sessions, tokens of programs.

use std::fmt;

use ring::digest::{SHA256, digest};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, Transaction, params};

use crate::alarm::Right;
use crate::clock::WallTime;

/// Everybody and everything that may come in over TCP.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Logins {
    /// People with a password.
    pub accounts: Vec<Account>,
    /// Their browsers that are logged in, the oldest first.
    pub sessions: Vec<Session>,
    /// Programs.
    pub tokens: Vec<Token>,
}

/// Somebody with a password.
#[derive(Clone, PartialEq)]
pub struct Account {
    /// The name they log in by.
    pub name: String,
    /// Owner or guest.
    pub right: Right,
    /// Since when.
    pub since: WallTime,
    /// The password's argon2id hash, as a PHC string.
    pub hash: String,
}

/// A browser that is logged in.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// The hash of what its cookie holds.
    pub hash: Hash,
    /// Whose it is.
    pub account: String,
    /// Since when.
    pub since: WallTime,
    /// When it was used, to the day.
    pub used: WallTime,
}

/// A program that may come in.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// What it was given out for.
    pub name: String,
    /// Owner or guest.
    pub right: Right,
    /// Since when.
    pub since: WallTime,
    /// The hash of what it shows.
    pub hash: Hash,
}

/// SHA-256 of a secret of 256 random bits. Not printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What is kept of a secret, and compared: how long that takes tells nothing of the secret.
    pub fn of(secret: &str) -> Hash {
        let hash = digest(&SHA256, secret.as_bytes());
        Hash(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

/// A change of who may log in. Doing it twice does what doing it once does.
#[derive(Debug, Clone, PartialEq)]
pub enum LoginChange {
    /// A new account, or a new password or right of an old one.
    Account(Account),
    /// An account goes, with its sessions.
    AccountGone(String),
    /// A new session, or it was used.
    Session(Session),
    /// A session ends.
    SessionGone(Hash),
    /// A new token.
    Token(Token),
    /// A token goes.
    TokenGone(String),
}

impl Logins {
    /// Makes this change.
    pub fn change(&mut self, change: &LoginChange) {
        match change {
            LoginChange::Account(account) => {
                self.accounts.retain(|it| it.name != account.name);
                self.accounts.push(account.clone());
            }
            LoginChange::AccountGone(name) => {
                self.accounts.retain(|it| it.name != *name);
                self.sessions.retain(|it| it.account != *name);
            }
            LoginChange::Session(session) => {
                self.sessions.retain(|it| it.hash != session.hash);
                self.sessions.push(session.clone());
            }
            LoginChange::SessionGone(hash) => self.sessions.retain(|it| it.hash != *hash),
            LoginChange::Token(token) => {
                self.tokens.retain(|it| it.name != token.name);
                self.tokens.push(token.clone());
            }
            LoginChange::TokenGone(name) => self.tokens.retain(|it| it.name != *name),
        }
    }

    /// What makes an empty store hold the same.
    pub(super) fn as_changes(&self) -> impl Iterator<Item = LoginChange> {
        let accounts = self.accounts.iter().cloned().map(LoginChange::Account);
        let sessions = self.sessions.iter().cloned().map(LoginChange::Session);
        let tokens = self.tokens.iter().cloned().map(LoginChange::Token);
        accounts.chain(sessions).chain(tokens)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("right", &self.right)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(..)")
    }
}

pub(super) fn write(transaction: &Transaction<'_>, change: &LoginChange) -> rusqlite::Result<()> {
    let gone = |sql: &str, name: &str| transaction.execute(sql, [name]);
    match change {
        LoginChange::Account(it) => transaction.execute(
            "INSERT OR REPLACE INTO accounts VALUES (?1, ?2, ?3, ?4)",
            params![it.name, word(it.right), it.since.0, it.hash],
        )?,
        LoginChange::AccountGone(name) => {
            gone("DELETE FROM sessions WHERE account = ?1", name)?;
            gone("DELETE FROM accounts WHERE name = ?1", name)?
        }
        LoginChange::Session(it) => transaction.execute(
            "INSERT OR REPLACE INTO sessions VALUES (?1, ?2, ?3, ?4)",
            params![it.hash.0, it.account, it.since.0, it.used.0],
        )?,
        LoginChange::SessionGone(hash) => {
            transaction.execute("DELETE FROM sessions WHERE hash = ?1", [hash.0])?
        }
        LoginChange::Token(it) => transaction.execute(
            "INSERT OR REPLACE INTO tokens VALUES (?1, ?2, ?3, ?4)",
            params![it.name, word(it.right), it.since.0, it.hash.0],
        )?,
        LoginChange::TokenGone(name) => gone("DELETE FROM tokens WHERE name = ?1", name)?,
    };
    Ok(())
}

/// All of them. A row that cannot be read lets nobody in, and must not cost the panel its state.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Logins> {
    Ok(Logins {
        accounts: rows(connection, "SELECT * FROM accounts ORDER BY name", |row| {
            Ok(Account {
                name: row.get("name")?,
                right: right(row)?,
                since: WallTime(row.get("since_wall_ms")?),
                hash: row.get("hash")?,
            })
        })?,
        sessions: rows(
            connection,
            "SELECT * FROM sessions ORDER BY since_wall_ms",
            |row| {
                Ok(Session {
                    hash: Hash(row.get("hash")?),
                    account: row.get("account")?,
                    since: WallTime(row.get("since_wall_ms")?),
                    used: WallTime(row.get("used_wall_ms")?),
                })
            },
        )?,
        tokens: rows(connection, "SELECT * FROM tokens ORDER BY name", |row| {
            Ok(Token {
                name: row.get("name")?,
                right: right(row)?,
                since: WallTime(row.get("since_wall_ms")?),
                hash: Hash(row.get("hash")?),
            })
        })?,
    })
}

fn rows<T>(
    connection: &Connection,
    sql: &str,
    one: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut question = connection.prepare(sql)?;
    let mut rows = question.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        match one(row) {
            Ok(one) => found.push(one),
            Err(error) => tracing::warn!(%error, "who may log in: a row cannot be read"),
        }
    }
    Ok(found)
}

const OWNER: &str = "owner";
const GUEST: &str = "guest";

fn word(right: Right) -> &'static str {
    match right {
        Right::Owner => OWNER,
        Right::Guest | Right::Bridge => GUEST,
    }
}

fn right(row: &Row<'_>) -> rusqlite::Result<Right> {
    match row.get::<_, String>("role")?.as_str() {
        OWNER => Ok(Right::Owner),
        GUEST => Ok(Right::Guest),
        _unknown => Err(rusqlite::Error::FromSqlConversionFailure(
            0,
            Type::Text,
            "no such role".into(),
        )),
    }
}
