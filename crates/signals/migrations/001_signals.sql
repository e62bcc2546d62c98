-- Projections of the kinds `mappings` and `integrations`. A removed integration keeps its row, so that what it sent can
-- still be read and handled; its tokens go at once.
CREATE TABLE mappings (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    version BIGINT NOT NULL,
    changed BIGINT NOT NULL
);
CREATE INDEX mappings_by_name ON mappings (workspace, name);

CREATE TABLE integrations (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    auth TEXT NOT NULL,
    mapping TEXT NOT NULL,
    flow TEXT NOT NULL,
    flow_name TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    rate BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    removed BOOLEAN NOT NULL
);
CREATE INDEX integrations_by_name ON integrations (workspace, name);

-- Two tokens count while one takes over from the other.
CREATE TABLE integration_tokens (
    integration TEXT NOT NULL,
    hash BYTEA NOT NULL,
    imported BOOLEAN NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT,
    last_used BIGINT,
    PRIMARY KEY (integration, hash)
);

-- The activity of integrations: every request, accepted or refused. `done` counts the events of an accepted signal that
-- have their run. Refused requests keep no body; those beyond the first twenty a minute and source are one row with a
-- count, and those for integrations that do not exist have no workspace.
CREATE TABLE signals (
    id TEXT PRIMARY KEY,
    workspace TEXT,
    integration TEXT,
    received BIGINT NOT NULL,
    state TEXT NOT NULL,
    status BIGINT NOT NULL,
    door TEXT NOT NULL,
    method TEXT NOT NULL,
    sender TEXT,
    source TEXT,
    user_agent TEXT,
    content_type TEXT,
    bytes BIGINT NOT NULL,
    count BIGINT NOT NULL,
    events BIGINT NOT NULL,
    done BIGINT NOT NULL,
    reason TEXT,
    took BIGINT NOT NULL,
    handled BIGINT
);
CREATE INDEX signals_by_workspace ON signals (workspace, id);
CREATE INDEX signals_by_integration ON signals (integration, id);
CREATE INDEX signals_waiting ON signals (integration, received, id) WHERE state = 'accepted';

CREATE TABLE signal_payloads (
    signal TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    body TEXT NOT NULL
);

-- Which run each event of a signal started.
CREATE TABLE signal_events (
    signal TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    run TEXT,
    PRIMARY KEY (signal, ordinal)
);
