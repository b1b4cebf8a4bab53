-- Layout 4: accounts of people. Nothing secret; the roles of active accounts and
-- the logins of organisations stand once more where they are looked for.

CREATE TABLE account (
  account          TEXT PRIMARY KEY,
  person           TEXT NOT NULL,
  roles            TEXT NOT NULL,
  speaks_for       TEXT,
  standing         TEXT NOT NULL,
  locked_out_until INTEGER,
  logins           TEXT NOT NULL,
  generation       INTEGER NOT NULL,
  created_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX account_speaks_for ON account (speaks_for) WHERE speaks_for IS NOT NULL;

CREATE TABLE account_role (
  role    TEXT NOT NULL,
  account TEXT NOT NULL,
  PRIMARY KEY (role, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_role_account ON account_role (account);

CREATE TABLE account_login (
  issuer  TEXT NOT NULL,
  subject TEXT NOT NULL,
  account TEXT NOT NULL,
  PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_login_account ON account_login (account);
