-- Layout 3: the life of a connection.

ALTER TABLE participant ADD COLUMN membership TEXT NOT NULL DEFAULT '{}';
-- The version of the rules under which it was examined last.
ALTER TABLE participant ADD COLUMN examined INTEGER;
CREATE INDEX participant_examined ON participant (examined, number) WHERE standing <> 'closed';
-- The slot of the daily re-check that a number has (registry, recheck::slot_of).
CREATE INDEX participant_slot ON participant (((((number * 2654435769) & 4294967295) * 288) >> 32)) WHERE standing <> 'closed';

ALTER TABLE service ADD COLUMN offer TEXT NOT NULL DEFAULT '{}';
ALTER TABLE service ADD COLUMN dns TEXT;
CREATE UNIQUE INDEX service_dns ON service (dns) WHERE dns IS NOT NULL AND retired = 0;

ALTER TABLE agreement ADD COLUMN proposing_officer TEXT;
ALTER TABLE agreement ADD COLUMN accepting_officer TEXT;
ALTER TABLE agreement ADD COLUMN automatic INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agreement ADD COLUMN noticed_at INTEGER;
CREATE INDEX agreement_until ON agreement (valid_until, agreement) WHERE state <> 'ended';
CREATE INDEX agreement_unnoticed ON agreement (valid_until, agreement) WHERE state = 'accepted' AND noticed_at IS NULL;

ALTER TABLE device ADD COLUMN ran_out_at INTEGER;

ALTER TABLE applicant ADD COLUMN vanished_at INTEGER;
CREATE INDEX applicant_vanished ON applicant (code) WHERE vanished_at IS NOT NULL;

-- Cases: what is asked for about them in columns, the rest as JSON.
CREATE TABLE case_file (
  number      INTEGER PRIMARY KEY,
  kind        TEXT NOT NULL,
  state       TEXT NOT NULL,
  is_open     INTEGER NOT NULL,
  participant INTEGER,
  code        TEXT,
  applicant   TEXT NOT NULL,
  touched_at  INTEGER NOT NULL,
  due_at      INTEGER,
  body        TEXT NOT NULL
) STRICT;
CREATE INDEX case_file_participant ON case_file (participant, number) WHERE participant IS NOT NULL;
CREATE INDEX case_file_state ON case_file (state, number);
CREATE INDEX case_file_applicant ON case_file (applicant, number);
CREATE INDEX case_file_touched ON case_file (touched_at, number) WHERE is_open = 1;
CREATE INDEX case_file_due ON case_file (due_at, number) WHERE due_at IS NOT NULL AND state = 'approved';
CREATE UNIQUE INDEX case_file_admission ON case_file (code) WHERE kind = 'admission' AND is_open = 1 AND code IS NOT NULL;

-- Versions of the rules, with all their files.
CREATE TABLE rules (
  version      INTEGER PRIMARY KEY,
  files        TEXT NOT NULL,
  published_at INTEGER NOT NULL
) STRICT;
