-- The gateway's own database. Instants are epoch milliseconds. PRAGMA user_version is the number of the last file applied.

-- One row for each start of the process: the last numbers it gave out in each lane.
CREATE TABLE epoch (
    epoch      INTEGER PRIMARY KEY,
    started_at INTEGER NOT NULL,
    events     INTEGER NOT NULL DEFAULT 0,
    samples    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What the cloud has not yet committed. body: one record of the contract as JSON.
-- stage: 0 as measured, 1 thinned to fewer samples, 2 given up (the row stays so that the numbers have no gap).
CREATE TABLE outbox (
    lane    TEXT    NOT NULL CHECK (lane IN ('events', 'samples')),
    epoch   INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    samples INTEGER NOT NULL DEFAULT 0,
    stage   INTEGER NOT NULL DEFAULT 0,
    body    BLOB    NOT NULL,
    PRIMARY KEY (lane, epoch, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX outbox_by_stage ON outbox (lane, stage, epoch, seq);

-- What the rules know: alarms with their delays, windows, limits set from the cloud.
CREATE TABLE state (
    key  TEXT PRIMARY KEY,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Directives that were answered, so that a repeat is not carried out twice.
CREATE TABLE directive (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Records that the cloud refused for good, with its reason.
CREATE TABLE quarantine (
    lane   TEXT    NOT NULL,
    epoch  INTEGER NOT NULL,
    seq    INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    reason TEXT    NOT NULL,
    body   BLOB    NOT NULL,
    PRIMARY KEY (lane, epoch, seq)
) STRICT, WITHOUT ROWID;
