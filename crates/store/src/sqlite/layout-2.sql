-- Layout 2: the side store, what is kept beside the ledger.

CREATE TABLE side (
  space      TEXT NOT NULL,
  key        BLOB NOT NULL,
  value      BLOB NOT NULL,
  expires_at INTEGER,
  PRIMARY KEY (space, key)
) STRICT;
CREATE INDEX side_end ON side (expires_at) WHERE expires_at IS NOT NULL;
