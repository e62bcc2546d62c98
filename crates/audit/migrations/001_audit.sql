-- Who did what. Rows are only ever added; sealing fills seq, prev_hash and hash once, erasure empties
-- personal and personal_salt and nothing else.
--
-- (lane, counter): counted in the transaction that adds the row, a lane per workspace. A lane never has a gap,
-- so a removed row shows even before it is sealed.
CREATE TABLE audit_entries (
    id TEXT PRIMARY KEY,
    lane TEXT NOT NULL,
    counter BIGINT NOT NULL,
    seq BIGINT,
    time BIGINT NOT NULL,
    workspace TEXT,
    actor_type TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    session TEXT,
    auth TEXT NOT NULL,
    request_id TEXT,
    action TEXT NOT NULL,
    target_type TEXT NOT NULL,
    target_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    ticket TEXT,
    changes TEXT,
    personal_commitment BYTEA NOT NULL,
    personal TEXT,
    personal_salt BYTEA,
    prev_hash BYTEA,
    hash BYTEA
);
CREATE UNIQUE INDEX audit_entries_by_lane ON audit_entries (lane, counter);
CREATE UNIQUE INDEX audit_entries_by_seq ON audit_entries (seq);
CREATE INDEX audit_entries_unsealed ON audit_entries (lane, counter) WHERE seq IS NULL;
CREATE INDEX audit_entries_by_workspace ON audit_entries (workspace, id);
CREATE INDEX audit_entries_by_actor ON audit_entries (actor_type, actor_id, id);

CREATE TABLE audit_lanes (
    lane TEXT PRIMARY KEY,
    counter BIGINT NOT NULL
);

-- Where the chain ends: one row.
CREATE TABLE audit_head (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL
);
