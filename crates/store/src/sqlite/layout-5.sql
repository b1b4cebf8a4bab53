-- Layout 5: search by parts of names and areas. The index is filled by the
-- program in the transaction that reaches the newest layout; that it is to be
-- filled stands in meta until then.

-- 都道府県, as stated or as the code says it; and where it is, as it is searched.
ALTER TABLE participant ADD COLUMN prefecture INTEGER;
ALTER TABLE participant ADD COLUMN area_key TEXT NOT NULL DEFAULT '';

CREATE TABLE posting (
  found INTEGER NOT NULL,
  token TEXT NOT NULL,
  chunk INTEGER NOT NULL,
  docs  BLOB NOT NULL,
  PRIMARY KEY (found, token, chunk)
) STRICT, WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES ('unfilled', 'search');
