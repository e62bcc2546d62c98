-- One row for each message. `id` is drawn in order, in blocks of 4096 that share a `segment`, so that no index below
-- is led by a random value: writes stay in a few hot pages however large the table is.
-- state: 0 queued, 1 claimed, 2 sent, 3 unknown, 4 delivered, 5 undelivered, 6 expired, 7 rejected, 8 failed, 9 cancelled.
-- class: 0 alert, 1 normal, 2 bulk. encoding: 0 GSM 7-bit, 1 UCS-2.
-- receipt_at is when a receipt came, receipt_time what the carrier's clock said. routed says why it went another way than the route's first carrier. destination and body are sealed; blind finds the destination. sender is our own address, not a personal value.
CREATE TABLE messages (
    id BIGINT PRIMARY KEY,
    umid TEXT NOT NULL,
    segment BIGINT NOT NULL,
    workspace TEXT NOT NULL,
    state BIGINT NOT NULL,
    class BIGINT NOT NULL,
    encoding BIGINT NOT NULL,
    parts BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    throttled BIGINT NOT NULL,
    unknown_outcomes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    expires_at BIGINT,
    claimed_by BIGINT,
    submitted_at BIGINT,
    receipt_at BIGINT,
    receipt_time BIGINT,
    done_at BIGINT,
    carrier TEXT NOT NULL,
    sender TEXT NOT NULL,
    carrier_ref TEXT,
    receipt TEXT,
    error TEXT,
    reason TEXT,
    routed TEXT,
    submitter TEXT NOT NULL,
    client_ref TEXT,
    origin_kind TEXT,
    origin_id TEXT,
    blind BYTEA NOT NULL,
    destination TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX messages_by_umid ON messages (umid);
CREATE INDEX messages_by_workspace ON messages (workspace, id);
CREATE INDEX messages_by_blind ON messages (segment, blind);
CREATE INDEX messages_by_carrier_ref ON messages (segment, carrier_ref) WHERE carrier_ref IS NOT NULL;
CREATE INDEX messages_by_origin ON messages (origin_id) WHERE origin_id IS NOT NULL;
-- Holds only what is not yet handed over. SQLite uses it only where `state < 2` stands in the query literally.
CREATE INDEX messages_claim ON messages (carrier, state, class, due_at) WHERE state < 2;

-- Parts of messages that have more than one, from the moment something is known about them.
CREATE TABLE message_parts (
    message BIGINT NOT NULL,
    part BIGINT NOT NULL,
    segment BIGINT NOT NULL,
    state BIGINT NOT NULL,
    carrier TEXT NOT NULL,
    carrier_ref TEXT,
    submitted_at BIGINT,
    receipt TEXT,
    receipt_at BIGINT,
    receipt_time BIGINT,
    error TEXT,
    unknown_outcome BOOLEAN NOT NULL,
    PRIMARY KEY (message, part)
);
CREATE INDEX message_parts_by_carrier_ref ON message_parts (segment, carrier_ref) WHERE carrier_ref IS NOT NULL;

-- What was unusual in the life of a message, as sentences.
CREATE TABLE message_notes (
    id BIGINT PRIMARY KEY,
    message BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    part BIGINT,
    note TEXT NOT NULL
);
CREATE INDEX message_notes_by_message ON message_notes (message, id);

-- Receipts that belong to nothing we know (yet): kept, counted, and taken up when their message turns up.
CREATE TABLE stray_receipts (
    id BIGINT PRIMARY KEY,
    carrier TEXT NOT NULL,
    carrier_ref TEXT NOT NULL,
    receipt TEXT NOT NULL,
    error TEXT,
    received_at BIGINT NOT NULL,
    receipt_time BIGINT
);
CREATE INDEX stray_receipts_by_ref ON stray_receipts (carrier, carrier_ref);

-- Processes that claim messages. An owner whose counter stands still is gone, and what it had claimed has an
-- unknown outcome.
CREATE TABLE messaging_owners (
    epoch BIGINT PRIMARY KEY,
    node TEXT NOT NULL,
    counter BIGINT NOT NULL
);

-- How many a minute, for charts; approximate after a crash.
CREATE TABLE message_minutes (
    workspace TEXT NOT NULL,
    minute BIGINT NOT NULL,
    accepted BIGINT NOT NULL,
    delivered BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    PRIMARY KEY (workspace, minute)
);

-- Messages from handsets. source and body are sealed for the workspace, or for the organisation where none is known.
CREATE TABLE inbound_messages (
    id BIGINT PRIMARY KEY,
    uid TEXT NOT NULL,
    segment BIGINT NOT NULL,
    workspace TEXT,
    carrier TEXT NOT NULL,
    destination TEXT NOT NULL,
    parts BIGINT NOT NULL,
    missing_parts BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    blind BYTEA NOT NULL,
    source TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX inbound_messages_by_uid ON inbound_messages (uid);
CREATE INDEX inbound_messages_by_workspace ON inbound_messages (workspace, id);
CREATE INDEX inbound_messages_by_blind ON inbound_messages (segment, blind);

-- Parts of long inbound messages that wait for the others, ten minutes at most. thread is a keyed hash of carrier, both
-- addresses, reference and total.
CREATE TABLE inbound_parts (
    thread BYTEA NOT NULL,
    sequence BIGINT NOT NULL,
    total BIGINT NOT NULL,
    coding BIGINT NOT NULL,
    carrier TEXT NOT NULL,
    destination TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    uid TEXT NOT NULL,
    source TEXT NOT NULL,
    payload TEXT NOT NULL,
    PRIMARY KEY (thread, sequence)
);
CREATE INDEX inbound_parts_by_time ON inbound_parts (received_at);

-- Projection of the kind `routes`.
CREATE TABLE routes (
    id TEXT PRIMARY KEY,
    workspace TEXT,
    prefix TEXT,
    class TEXT,
    carriers TEXT NOT NULL,
    sender TEXT,
    cost_micros BIGINT,
    cost_currency TEXT,
    open_to_development BOOLEAN NOT NULL
);
