-- Alerts, who was told, what happened, and what came back.
-- Classes: `content`, `note` and `data` are sealed (confidential: texts, notes, timelines with names);
-- `person` is confidential; everything else is internal.
CREATE TABLE alerts (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    number BIGINT NOT NULL,
    integration TEXT,
    signal TEXT,
    run TEXT,
    -- The integration a key belongs to; empty when there is none, because NULLs are never equal.
    key_scope TEXT NOT NULL,
    dedup_key TEXT,
    priority TEXT NOT NULL,
    group_name TEXT NOT NULL,
    content TEXT NOT NULL,
    state TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    acknowledged_at BIGINT,
    acknowledged_by TEXT,
    closed_at BIGINT,
    closed_by TEXT,
    note TEXT,
    expires_at BIGINT NOT NULL,
    joined BIGINT NOT NULL,
    lines BIGINT NOT NULL,
    -- The escalation's cursor. A timer counts only while its generation is this one.
    generation BIGINT NOT NULL,
    paged_group TEXT,
    round BIGINT NOT NULL,
    rounds BIGINT NOT NULL,
    interval_seconds BIGINT NOT NULL,
    round_ends_at BIGINT,
    next_at BIGINT,
    next_person TEXT,
    unanswered BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX alerts_number ON alerts (workspace, number);
CREATE UNIQUE INDEX alerts_live_key ON alerts (workspace, key_scope, dedup_key) WHERE state IN ('open', 'acknowledged');
CREATE INDEX alerts_state ON alerts (workspace, state, number);
CREATE INDEX alerts_signal ON alerts (workspace, signal);

CREATE TABLE alert_joins (
    alert TEXT NOT NULL,
    signal TEXT NOT NULL,
    workspace TEXT NOT NULL,
    joined_at BIGINT NOT NULL,
    PRIMARY KEY (alert, signal)
);
CREATE INDEX alert_joins_signal ON alert_joins (workspace, signal);

CREATE TABLE alert_notifications (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    alert TEXT NOT NULL,
    round BIGINT NOT NULL,
    step BIGINT NOT NULL,
    user_id TEXT,
    person TEXT NOT NULL,
    device TEXT,
    state TEXT NOT NULL,
    reason TEXT,
    due_at BIGINT NOT NULL,
    paged_at BIGINT,
    message TEXT,
    parts BIGINT NOT NULL,
    parts_sent BIGINT NOT NULL,
    parts_again BIGINT NOT NULL,
    carrier TEXT,
    sent_at BIGINT,
    delivered_at BIGINT,
    failed_at BIGINT,
    answered_at BIGINT,
    answer TEXT
);
CREATE UNIQUE INDEX alert_notifications_step ON alert_notifications (alert, round, step);

CREATE TABLE alert_lines (
    alert TEXT NOT NULL,
    number BIGINT NOT NULL,
    workspace TEXT NOT NULL,
    happened_at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (alert, number)
);

-- Each text that came in, once: the key makes binding idempotent.
CREATE TABLE alert_replies (
    inbound TEXT PRIMARY KEY,
    -- The workspace of the alert it was bound to, or of the sender it came to; empty for a stranger's.
    workspace TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    handset TEXT NOT NULL,
    user_id TEXT,
    person TEXT,
    alert TEXT,
    outcome TEXT NOT NULL,
    reason_code TEXT NOT NULL,
    reason TEXT NOT NULL,
    helped BOOLEAN NOT NULL
);
CREATE INDEX alert_replies_handset ON alert_replies (handset, received_at);
CREATE INDEX alert_replies_workspace ON alert_replies (workspace, received_at);
