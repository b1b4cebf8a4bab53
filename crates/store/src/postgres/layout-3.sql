-- Layout 3: search by parts of names and areas. The index is filled by the
-- program once the newest layout is reached; until then it stands in meta.

ALTER TABLE participant ADD COLUMN area_key TEXT COLLATE "C" NOT NULL DEFAULT '';

CREATE TABLE posting (
  found BIGINT NOT NULL,
  token TEXT COLLATE "C" NOT NULL,
  chunk BIGINT NOT NULL,
  docs  BYTEA NOT NULL,
  PRIMARY KEY (found, token, chunk)
);
-- Short lists that change often: room beside them, and no time on making them
-- smaller.
ALTER TABLE posting SET (fillfactor = 70);
ALTER TABLE posting ALTER COLUMN docs SET STORAGE EXTERNAL;

INSERT INTO meta (key, value) VALUES ('unfilled', 'search');
