-- Layout 3: search by parts of names and areas. The index is filled by the
-- program once the newest layout is reached; until then it stands in meta.

ALTER TABLE participant ADD COLUMN area_key TEXT NOT NULL DEFAULT '';

CREATE TABLE posting (
  found INTEGER NOT NULL,
  token TEXT NOT NULL,
  chunk INTEGER NOT NULL,
  docs  BLOB NOT NULL,
  PRIMARY KEY (found, token, chunk)
) STRICT, WITHOUT ROWID;

INSERT INTO meta (key, value) VALUES ('unfilled', 'search');
