-- Layout 2: the side store, what is kept beside the ledger.

CREATE TABLE side (
  space      TEXT COLLATE "C" NOT NULL,
  key        BYTEA NOT NULL,
  value      BYTEA NOT NULL,
  expires_at BIGINT,
  PRIMARY KEY (space, key)
);
CREATE INDEX side_end ON side (expires_at) WHERE expires_at IS NOT NULL;
