-- Pages that can be answered, by phone. `handset` is a keyed hash of the number, `code` is sealed.
CREATE TABLE answer_slots (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    handset TEXT NOT NULL,
    -- What the page is about, how people call it, and the last notification about it on this phone.
    subject TEXT NOT NULL,
    label TEXT NOT NULL,
    notification TEXT NOT NULL,
    first_digit BIGINT NOT NULL,
    code TEXT,
    paged_at BIGINT NOT NULL,
    closed_at BIGINT,
    -- When its digits were given back.
    released_at BIGINT
);
CREATE UNIQUE INDEX answer_slots_subject ON answer_slots (subject, handset);
-- Digits are unique on a phone, over all workspaces, carriers and senders.
CREATE UNIQUE INDEX answer_slots_digit ON answer_slots (handset, first_digit) WHERE released_at IS NULL;

-- The ways a page went: an answer counts only over one of them.
CREATE TABLE answer_ways (
    slot TEXT NOT NULL,
    carrier TEXT NOT NULL,
    sender TEXT NOT NULL,
    PRIMARY KEY (slot, carrier, sender)
);

-- One row a phone, locked while digits are given, so that two transactions never give the same.
CREATE TABLE answer_handsets (
    handset TEXT PRIMARY KEY,
    given_at BIGINT NOT NULL
);
