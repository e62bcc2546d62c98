-- People, as projections of the kind `users`. A row stays when its person goes: ids are never reused (E-16).
CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    login TEXT NOT NULL,
    login_folded TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    removed_at BIGINT
);

CREATE UNIQUE INDEX users_by_login ON users (login_folded) WHERE removed_at IS NULL;

-- What a person proves themselves with. Never part of a resource.
CREATE TABLE credentials (
    user_id TEXT NOT NULL PRIMARY KEY,
    password_hash TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

-- Consecutive failures; device is '' for strangers and a known device's id otherwise, so that strangers cannot
-- lock out the person who is on call.
CREATE TABLE login_failures (
    user_id TEXT NOT NULL,
    device TEXT NOT NULL,
    failures BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, device)
);

-- The token itself is known to the browser alone; data is sealed under a key derived from it.
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    token_hash BYTEA NOT NULL,
    user_id TEXT NOT NULL,
    data TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX sessions_by_token ON sessions (token_hash);
CREATE INDEX sessions_by_user ON sessions (user_id, created_at);

-- One-time links: set-up of an administrator (no user yet) and invitations.
CREATE TABLE one_time_links (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- API keys, as projections of the kind `api_keys`.
CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    allow TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT
);

CREATE INDEX api_keys_by_workspace ON api_keys (workspace, name);

-- The hashes a key answers to: the current one, and in rotation the one before until it runs out.
CREATE TABLE api_key_tokens (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    api_key TEXT NOT NULL,
    retires_at BIGINT,
    imported BOOLEAN NOT NULL
);

CREATE INDEX api_key_tokens_by_key ON api_key_tokens (api_key);

-- Short-lived tokens of administrators for the command line.
CREATE TABLE admin_tokens (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX admin_tokens_by_user ON admin_tokens (user_id);
