-- What applications say became of a message for them: outcome 0 failure, 1 success; at by their clock.
CREATE TABLE message_feedback (
    message BIGINT PRIMARY KEY,
    outcome BIGINT NOT NULL,
    at BIGINT NOT NULL,
    received_at BIGINT NOT NULL
);

-- Messages written out as files. state: 0 queued, 1 running, 2 succeeded, 3 failed, 4 empty. sought is a number, sealed. phase 0
-- goes through messages, 1 through inbound_messages; at_row is the last row that was looked at.
CREATE TABLE message_exports (
    number BIGINT PRIMARY KEY,
    uid TEXT NOT NULL,
    workspace TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    state BIGINT NOT NULL,
    from_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL,
    sought TEXT,
    countries TEXT NOT NULL,
    most BIGINT NOT NULL,
    phase BIGINT NOT NULL,
    at_row BIGINT NOT NULL,
    found BIGINT NOT NULL,
    pieces BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    reason TEXT
);
CREATE UNIQUE INDEX message_exports_by_uid ON message_exports (uid);
CREATE INDEX message_exports_by_workspace ON message_exports (workspace, number);

-- The files in pieces, sealed.
CREATE TABLE message_export_pieces (
    export BIGINT NOT NULL,
    piece BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (export, piece)
);
