-- Layout 1. Times are milliseconds since 1970. Lists are JSON.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE entry (
  sequence     INTEGER PRIMARY KEY,
  at           INTEGER NOT NULL,
  actor        TEXT NOT NULL,
  command      TEXT NOT NULL,
  events       TEXT,
  refusal_code TEXT,
  refusal_text TEXT,
  previous     BLOB NOT NULL,
  hash         BLOB NOT NULL,
  CHECK ((events IS NULL) = (refusal_code IS NOT NULL AND refusal_text IS NOT NULL))
) STRICT;

CREATE TRIGGER entry_is_not_changed BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER entry_is_not_deleted BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

-- Who and what the events are about: the way to somebody's history.
CREATE TABLE topic (
  topic    TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  place    INTEGER NOT NULL,
  PRIMARY KEY (topic, sequence, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE gateway (
  gateway  TEXT PRIMARY KEY,
  backbone TEXT NOT NULL UNIQUE,
  blocks   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE block (
  block   INTEGER PRIMARY KEY,
  gateway TEXT NOT NULL
) STRICT;

CREATE TABLE participant (
  number      INTEGER PRIMARY KEY,
  kind        TEXT NOT NULL,
  name        TEXT NOT NULL,
  name_key    TEXT NOT NULL,
  code        TEXT,
  standing    TEXT NOT NULL,
  admitted_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX participant_holder ON participant (code) WHERE code IS NOT NULL AND standing <> 'closed';
CREATE INDEX participant_code ON participant (code, number) WHERE code IS NOT NULL;

CREATE TABLE site (
  participant INTEGER NOT NULL,
  site        INTEGER NOT NULL,
  name        TEXT NOT NULL,
  PRIMARY KEY (participant, site)
) STRICT, WITHOUT ROWID;

-- A line that was removed stays, so that its number is not given again.
CREATE TABLE line (
  line        INTEGER PRIMARY KEY,
  kind        TEXT NOT NULL,
  participant INTEGER NOT NULL,
  site        INTEGER NOT NULL,
  gateway     TEXT NOT NULL,
  interface   TEXT NOT NULL,
  removed     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX line_circuit ON line (gateway, interface) WHERE removed = 0;
CREATE INDEX line_participant ON line (participant, line) WHERE removed = 0;

CREATE TABLE service (
  service   INTEGER PRIMARY KEY,
  provider  INTEGER NOT NULL,
  name      TEXT NOT NULL,
  class     TEXT NOT NULL,
  purposes  TEXT NOT NULL,
  endpoints TEXT NOT NULL,
  eligible  TEXT NOT NULL,
  retired   INTEGER NOT NULL
) STRICT;
CREATE INDEX service_provider ON service (provider, service) WHERE retired = 0;

CREATE TABLE endpoint (
  address  TEXT NOT NULL,
  protocol INTEGER NOT NULL,
  port     INTEGER NOT NULL,
  service  INTEGER NOT NULL,
  PRIMARY KEY (address, protocol, port)
) STRICT, WITHOUT ROWID;
CREATE INDEX endpoint_service ON endpoint (service);

CREATE TABLE agreement (
  agreement   INTEGER PRIMARY KEY,
  participant INTEGER NOT NULL,
  service     INTEGER NOT NULL,
  purpose     TEXT NOT NULL,
  valid_from  INTEGER NOT NULL,
  valid_until INTEGER NOT NULL,
  proposed_by INTEGER NOT NULL,
  state       TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX agreement_open ON agreement (participant, service) WHERE state <> 'ended';
CREATE INDEX agreement_participant ON agreement (participant, agreement);
CREATE INDEX agreement_service ON agreement (service, agreement);

CREATE TABLE enrolment_code (
  code_hash  TEXT PRIMARY KEY,
  subject    TEXT NOT NULL,
  issued_at  INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  spent_at   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX enrolment_code_waiting ON enrolment_code (subject, expires_at) WHERE spent_at IS NULL;

CREATE TABLE device (
  participant    INTEGER NOT NULL,
  device         INTEGER NOT NULL,
  fingerprint    BLOB NOT NULL UNIQUE,
  serial         TEXT NOT NULL UNIQUE,
  not_before     INTEGER NOT NULL,
  not_after      INTEGER NOT NULL,
  revoked_at     INTEGER,
  revoked_reason TEXT,
  PRIMARY KEY (participant, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX device_revoked ON device (serial) WHERE revoked_at IS NOT NULL;

CREATE TABLE gateway_certificate (
  fingerprint    BLOB PRIMARY KEY,
  gateway        TEXT NOT NULL,
  serial         TEXT NOT NULL UNIQUE,
  not_before     INTEGER NOT NULL,
  not_after      INTEGER NOT NULL,
  revoked_at     INTEGER,
  revoked_reason TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX gateway_certificate_gateway ON gateway_certificate (gateway, fingerprint);

CREATE TABLE applicant (
  code        TEXT PRIMARY KEY,
  name        TEXT NOT NULL,
  postal      TEXT NOT NULL,
  address     TEXT NOT NULL,
  list        TEXT NOT NULL,
  name_key    TEXT NOT NULL,
  address_key TEXT NOT NULL
) STRICT, WITHOUT ROWID;
