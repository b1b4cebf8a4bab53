-- Layout 5: search by parts of names and areas. The index is filled by the
-- program in the transaction that reaches the newest layout; that it is to be
-- filled stands in meta until then.

-- 都道府県, as stated or as the code says it; and where it is, as it is searched.
ALTER TABLE participant ADD COLUMN prefecture BIGINT;
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
