-- How a session was proven and where it was opened, for the person's own list of sessions.
ALTER TABLE sessions ADD COLUMN auth TEXT NOT NULL DEFAULT 'password';
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN user_agent TEXT NOT NULL DEFAULT '';

-- Between a first proof and the second factor. It opens nothing; stage is what is still needed ('factor' or 'enrolment'),
-- device is the count that wrong tries go to.
CREATE TABLE half_way (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    stage TEXT NOT NULL,
    device TEXT NOT NULL,
    tries BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX half_way_by_user ON half_way (user_id, created_at);

-- Authenticator apps: one a person. Not in use before a first code was right.
CREATE TABLE authenticators (
    user_id TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL,
    last_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    confirmed_at BIGINT
);

CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL,
    code_hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (user_id, code_hash)
);

CREATE TABLE passkeys (
    id TEXT NOT NULL PRIMARY KEY,
    credential BYTEA NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    public_key BYTEA NOT NULL,
    uses BIGINT NOT NULL,
    backed_up BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);

CREATE UNIQUE INDEX passkeys_by_credential ON passkeys (credential);
CREATE INDEX passkeys_by_user ON passkeys (user_id, created_at);

-- A challenge works once. Those that were given out are not stored: each proves itself.
CREATE TABLE spent_challenges (
    hash BYTEA NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
