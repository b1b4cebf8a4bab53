-- Layout 4: accounts of people. Nothing secret; the roles of active accounts and
-- the logins of organisations stand once more where they are looked for.

CREATE TABLE account (
  account          TEXT COLLATE "C" PRIMARY KEY,
  person           TEXT COLLATE "C" NOT NULL,
  roles            TEXT COLLATE "C" NOT NULL,
  speaks_for       TEXT COLLATE "C",
  standing         TEXT COLLATE "C" NOT NULL,
  locked_out_until BIGINT,
  logins           TEXT COLLATE "C" NOT NULL,
  generation       BIGINT NOT NULL,
  created_at       BIGINT NOT NULL
);
CREATE INDEX account_speaks_for ON account (speaks_for) WHERE speaks_for IS NOT NULL;

CREATE TABLE account_role (
  role    TEXT COLLATE "C" NOT NULL,
  account TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (role, account)
);
CREATE INDEX account_role_account ON account_role (account);

CREATE TABLE account_login (
  issuer  TEXT COLLATE "C" NOT NULL,
  subject TEXT COLLATE "C" NOT NULL,
  account TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (issuer, subject)
);
CREATE INDEX account_login_account ON account_login (account);
