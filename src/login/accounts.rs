//! Accounts and tokens: who has one, how they come and go.

use secrecy::SecretString;

use super::{Key, Logins, NotIn, Place, TOKEN, owners, password, secret, unpoisoned};
use crate::access::people::name as good_name;
use crate::alarm::{Actor, LoginDeed, Right};
use crate::store::{Account, Hash, LoginChange, Token};

impl Logins {
    /// Everybody with a password, by name.
    pub fn accounts(&self) -> Vec<Account> {
        let mut accounts = self.known().accounts.clone();
        accounts.sort_by(|one, other| one.name.cmp(&other.name));
        accounts
    }

    /// What was given out to programs, by name.
    pub fn tokens(&self) -> Vec<Token> {
        let mut tokens = self.known().tokens.clone();
        tokens.sort_by(|one, other| one.name.cmp(&other.name));
        tokens
    }

    /// Gives somebody a password, new or known, and a right: without one they keep what they have, the
    /// first one becomes an owner, others guests. Their sessions end, but for `this`.
    ///
    /// # Errors
    /// Name or password cannot be, or there would be no owner.
    pub async fn set_password(
        &self,
        name: &str,
        right: Option<Right>,
        password: SecretString,
        by: Actor,
        place: Place,
        this: Option<Key>,
    ) -> Result<Account, NotIn> {
        let _one = self.0.changing.lock().await;
        self.give_password(name, right, password, by, place, this)
            .await
    }

    pub(super) async fn give_password(
        &self,
        name: &str,
        right: Option<Right>,
        password: SecretString,
        by: Actor,
        place: Place,
        this: Option<Key>,
    ) -> Result<Account, NotIn> {
        let name = good_name(name.trim())?;
        if !password::is_one(&password) {
            return Err(NotIn::Password);
        }
        let known = self.account(name);
        let usual = match self.has_owner() {
            true => Right::Guest,
            false => Right::Owner,
        };
        let right = right.unwrap_or_else(|| known.as_ref().map_or(usual, |known| known.right));
        if let Some(known) = &known
            && right != Right::Owner
        {
            self.not_the_last_owner(known)?;
        }
        let cost = self.0.cost;
        let hash = self
            .hashing(move || password::hash(&password, cost))
            .await?;
        let account = Account {
            name: known.as_ref().map_or(name, |known| &known.name).to_owned(),
            right,
            since: (known.as_ref()).map_or_else(|| self.0.clock.wall(), |known| known.since),
            hash: hash.map_err(NotIn::System)?,
        };
        let others = self.sessions_of(&account.name).into_iter();
        let others = others.filter(|hash| this != Some(Key::Session(*hash)));
        let mut changes = vec![LoginChange::Account(account.clone())];
        changes.extend(others.map(LoginChange::SessionGone));
        let did = match known {
            Some(_) => LoginDeed::PasswordChanged,
            None => LoginDeed::AccountAdded,
        };
        if right == Right::Owner {
            *unpoisoned(&self.0.code) = None;
        }
        self.change(changes, did, &account.name, by, place).await?;
        Ok(account)
    }

    /// The password is this account's. Slowed and locked as log-ins are.
    ///
    /// # Errors
    /// It is not, or they have to wait.
    pub async fn proves(
        &self,
        name: &str,
        password: SecretString,
        place: Place,
    ) -> Result<(), NotIn> {
        self.begin(place)?;
        let account = self.account(name);
        let cost = self.0.cost;
        let kept = account.map(|account| account.hash);
        let fits = self
            .hashing(move || password::fits(&password, kept.as_deref(), cost))
            .await;
        match fits {
            Ok(true) => {
                self.tries().end(place, true);
                Ok(())
            }
            Ok(false) => {
                let name = Some(name.to_owned());
                self.wrong(place, name, "wrong password");
                Err(NotIn::Wrong)
            }
            Err(busy) => {
                self.tries().end(place, false);
                Err(busy)
            }
        }
    }

    /// Removes an account with its sessions.
    ///
    /// # Errors
    /// There is none, or it is the last owner's.
    pub async fn remove_account(&self, name: &str, by: Actor, place: Place) -> Result<(), NotIn> {
        let _one = self.0.changing.lock().await;
        let account = self
            .account(name)
            .ok_or_else(|| NotIn::Nobody("account", name.to_owned()))?;
        self.not_the_last_owner(&account)?;
        let name = account.name;
        let gone = vec![LoginChange::AccountGone(name.clone())];
        self.change(gone, LoginDeed::AccountRemoved, &name, by, place)
            .await
    }

    /// A token for a program: told once, and kept as a hash.
    ///
    /// # Errors
    /// The name cannot be, or is taken.
    pub async fn add_token(
        &self,
        name: &str,
        right: Right,
        by: Actor,
        place: Place,
    ) -> Result<String, NotIn> {
        let _one = self.0.changing.lock().await;
        let name = good_name(name.trim())?;
        if self.known().tokens.iter().any(|it| it.name == name) {
            return Err(NotIn::Taken(name.to_owned()));
        }
        let secret = format!("{TOKEN}{}", secret::fresh().map_err(NotIn::System)?);
        let token = Token {
            name: name.to_owned(),
            right,
            since: self.0.clock.wall(),
            hash: Hash::of(&secret),
        };
        let changes = vec![LoginChange::Token(token)];
        self.change(changes, LoginDeed::TokenAdded, name, by, place)
            .await?;
        Ok(secret)
    }

    /// A token counts no longer.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn revoke_token(&self, name: &str, by: Actor, place: Place) -> Result<(), NotIn> {
        let _one = self.0.changing.lock().await;
        if !self.known().tokens.iter().any(|it| it.name == name) {
            return Err(NotIn::Nobody("token", name.to_owned()));
        }
        let gone = vec![LoginChange::TokenGone(name.to_owned())];
        self.change(gone, LoginDeed::TokenRevoked, name, by, place)
            .await
    }

    fn not_the_last_owner(&self, account: &Account) -> Result<(), NotIn> {
        match account.right == Right::Owner && owners(&self.known()) == 1 {
            true => Err(NotIn::LastOwner),
            false => Ok(()),
        }
    }
}
