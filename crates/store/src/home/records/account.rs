//! アカウント, with the two ways to find them that are not their name.

use super::{Record, Written, list, maybe_millis, millis, text, whole, word};
use crate::error::StoreError;
use crate::home::session::json;
use crate::sql::{self, Kind, Misfit, Row, Table, Value, integer, values};
use iryonet_domain::{AccountName, Role};
use iryonet_registry::{Account, AccountStanding, Login};

impl Record for Account {
    const TABLE: Table = Table {
        name: "account",
        columns: &[
            ("account", Kind::Text),
            ("person", Kind::Text),
            ("roles", Kind::Text),
            ("speaks_for", Kind::Text),
            ("standing", Kind::Text),
            ("locked_out_until", Kind::Integer),
            ("logins", Kind::Text),
            ("generation", Kind::Integer),
            ("created_at", Kind::Integer),
        ],
        key: 1,
        read: 9,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            account: word(row, 0)?,
            person: text(row, 1)?,
            roles: list(row, 2)?,
            speaks_for: row
                .text(3)?
                .map(|whom| whom.parse().map_err(|error| Misfit::new(3, error)))
                .transpose()?,
            standing: word(row, 4)?,
            locked_out_until: maybe_millis(row, 5)?,
            logins: list(row, 6)?,
            generation: whole(row, 7)?,
            created_at: millis(row, 8)?,
        })
    }
}

impl Written for Account {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![
            self.account.as_str(),
            &self.person,
            json(&self.roles)?,
            self.speaks_for.map(|whom| whom.to_string()),
            self.standing.as_str(),
            self.locked_out_until.map(sql::millis).transpose()?,
            json(&self.logins)?,
            integer(self.generation)?,
            sql::millis(self.created_at)?,
        ]
        .into())
    }
}

/// An active account holds a role.
#[derive(Debug)]
pub(crate) struct RoleOf {
    pub(crate) role: Role,
    pub(crate) account: AccountName,
}

impl RoleOf {
    pub(crate) fn all(account: &Account) -> Vec<Self> {
        if account.standing != AccountStanding::Active {
            return Vec::new();
        }
        account
            .roles
            .iter()
            .map(|role| Self {
                role: *role,
                account: account.account.clone(),
            })
            .collect()
    }
}

impl Record for RoleOf {
    const TABLE: Table = Table {
        name: "account_role",
        columns: &[("role", Kind::Text), ("account", Kind::Text)],
        key: 2,
        read: 2,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            role: word(row, 0)?,
            account: word(row, 1)?,
        })
    }
}

impl Written for RoleOf {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![self.role.as_str(), self.account.as_str()].into())
    }
}

/// An issuer knows an account.
#[derive(Debug)]
pub(crate) struct LoginOf {
    pub(crate) login: Login,
    pub(crate) account: AccountName,
}

impl Record for LoginOf {
    const TABLE: Table = Table {
        name: "account_login",
        columns: &[
            ("issuer", Kind::Text),
            ("subject", Kind::Text),
            ("account", Kind::Text),
        ],
        key: 2,
        read: 3,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            login: Login {
                issuer: text(row, 0)?,
                subject: text(row, 1)?,
            },
            account: word(row, 2)?,
        })
    }
}

impl Written for LoginOf {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![
            &self.login.issuer,
            &self.login.subject,
            self.account.as_str()
        ]
        .into())
    }
}
