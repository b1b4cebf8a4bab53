-- Layout 1. Times are milliseconds since 1970. Lists are JSON. Text is compared
-- by its bytes, whatever the database's own order is.

CREATE TABLE meta (
  key   TEXT COLLATE "C" PRIMARY KEY,
  value TEXT COLLATE "C" NOT NULL
);

CREATE TABLE entry (
  sequence     BIGINT PRIMARY KEY,
  at           BIGINT NOT NULL,
  actor        TEXT COLLATE "C" NOT NULL,
  command      TEXT COLLATE "C" NOT NULL,
  events       TEXT COLLATE "C",
  refusal_code TEXT COLLATE "C",
  refusal_text TEXT COLLATE "C",
  previous     BYTEA NOT NULL,
  hash         BYTEA NOT NULL,
  CHECK ((events IS NULL) = (refusal_code IS NOT NULL AND refusal_text IS NOT NULL))
);

CREATE FUNCTION entry_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$;
CREATE TRIGGER entry_is_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON entry
FOR EACH STATEMENT EXECUTE FUNCTION entry_stays();

-- Who and what the events are about: the way to somebody's history.
CREATE TABLE topic (
  topic    TEXT COLLATE "C" NOT NULL,
  sequence BIGINT NOT NULL,
  place    BIGINT NOT NULL,
  PRIMARY KEY (topic, sequence, place)
);

CREATE TABLE gateway (
  gateway  TEXT COLLATE "C" PRIMARY KEY,
  backbone TEXT COLLATE "C" NOT NULL UNIQUE,
  blocks   TEXT COLLATE "C" NOT NULL
);

CREATE TABLE block (
  block   BIGINT PRIMARY KEY,
  gateway TEXT COLLATE "C" NOT NULL
);

CREATE TABLE participant (
  number      BIGINT PRIMARY KEY,
  kind        TEXT COLLATE "C" NOT NULL,
  name        TEXT COLLATE "C" NOT NULL,
  name_key    TEXT COLLATE "C" NOT NULL,
  code        TEXT COLLATE "C",
  standing    TEXT COLLATE "C" NOT NULL,
  admitted_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX participant_holder ON participant (code) WHERE code IS NOT NULL AND standing <> 'closed';
CREATE INDEX participant_code ON participant (code, number) WHERE code IS NOT NULL;

CREATE TABLE site (
  participant BIGINT NOT NULL,
  site        BIGINT NOT NULL,
  name        TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (participant, site)
);

-- A line that was removed stays, so that its number is not given again.
CREATE TABLE line (
  line        BIGINT PRIMARY KEY,
  kind        TEXT COLLATE "C" NOT NULL,
  participant BIGINT NOT NULL,
  site        BIGINT NOT NULL,
  gateway     TEXT COLLATE "C" NOT NULL,
  interface   TEXT COLLATE "C" NOT NULL,
  removed     BIGINT NOT NULL
);
CREATE UNIQUE INDEX line_circuit ON line (gateway, interface) WHERE removed = 0;
CREATE INDEX line_participant ON line (participant, line) WHERE removed = 0;

CREATE TABLE service (
  service   BIGINT PRIMARY KEY,
  provider  BIGINT NOT NULL,
  name      TEXT COLLATE "C" NOT NULL,
  class     TEXT COLLATE "C" NOT NULL,
  purposes  TEXT COLLATE "C" NOT NULL,
  endpoints TEXT COLLATE "C" NOT NULL,
  eligible  TEXT COLLATE "C" NOT NULL,
  retired   BIGINT NOT NULL
);
CREATE INDEX service_provider ON service (provider, service) WHERE retired = 0;

CREATE TABLE endpoint (
  address  TEXT COLLATE "C" NOT NULL,
  protocol BIGINT NOT NULL,
  port     BIGINT NOT NULL,
  service  BIGINT NOT NULL,
  PRIMARY KEY (address, protocol, port)
);
CREATE INDEX endpoint_service ON endpoint (service);

CREATE TABLE agreement (
  agreement   BIGINT PRIMARY KEY,
  participant BIGINT NOT NULL,
  service     BIGINT NOT NULL,
  purpose     TEXT COLLATE "C" NOT NULL,
  valid_from  BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  proposed_by BIGINT NOT NULL,
  state       TEXT COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX agreement_open ON agreement (participant, service) WHERE state <> 'ended';
CREATE INDEX agreement_participant ON agreement (participant, agreement);
CREATE INDEX agreement_service ON agreement (service, agreement);

CREATE TABLE enrolment_code (
  code_hash  TEXT COLLATE "C" PRIMARY KEY,
  subject    TEXT COLLATE "C" NOT NULL,
  issued_at  BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  spent_at   BIGINT
);
CREATE INDEX enrolment_code_waiting ON enrolment_code (subject, expires_at) WHERE spent_at IS NULL;

CREATE TABLE device (
  participant    BIGINT NOT NULL,
  device         BIGINT NOT NULL,
  fingerprint    BYTEA NOT NULL UNIQUE,
  serial         TEXT COLLATE "C" NOT NULL UNIQUE,
  not_before     BIGINT NOT NULL,
  not_after      BIGINT NOT NULL,
  revoked_at     BIGINT,
  revoked_reason TEXT COLLATE "C",
  PRIMARY KEY (participant, device)
);
CREATE INDEX device_revoked ON device (serial) WHERE revoked_at IS NOT NULL;

CREATE TABLE gateway_certificate (
  fingerprint    BYTEA PRIMARY KEY,
  gateway        TEXT COLLATE "C" NOT NULL,
  serial         TEXT COLLATE "C" NOT NULL UNIQUE,
  not_before     BIGINT NOT NULL,
  not_after      BIGINT NOT NULL,
  revoked_at     BIGINT,
  revoked_reason TEXT COLLATE "C"
);
CREATE INDEX gateway_certificate_gateway ON gateway_certificate (gateway, fingerprint);

CREATE TABLE applicant (
  code        TEXT COLLATE "C" PRIMARY KEY,
  name        TEXT COLLATE "C" NOT NULL,
  postal      TEXT COLLATE "C" NOT NULL,
  address     TEXT COLLATE "C" NOT NULL,
  list        TEXT COLLATE "C" NOT NULL,
  name_key    TEXT COLLATE "C" NOT NULL,
  address_key TEXT COLLATE "C" NOT NULL
);
