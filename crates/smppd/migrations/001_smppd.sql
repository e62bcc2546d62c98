-- Projection of the kind `smpp_accounts`. The row of an account that was removed stays, so that its system_id is never
-- given to another (E-16). allow and the addresses are lists with spaces between.
CREATE TABLE smpp_accounts (
    id TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    system_id TEXT NOT NULL,
    allow TEXT NOT NULL,
    allow_plaintext BOOLEAN NOT NULL,
    max_binds BIGINT NOT NULL,
    send_window BIGINT NOT NULL,
    rate BIGINT,
    message_ids TEXT NOT NULL,
    class TEXT NOT NULL,
    senders TEXT NOT NULL,
    inbound TEXT NOT NULL,
    version BIGINT NOT NULL,
    last_bound_at BIGINT,
    removed_at BIGINT
);
CREATE UNIQUE INDEX smpp_accounts_by_system_id ON smpp_accounts (system_id);

-- The hashes an account's passwords have: the current one, and in rotation the one before until it retires.
CREATE TABLE smpp_passwords (
    account TEXT NOT NULL,
    hash BYTEA NOT NULL,
    retires_at BIGINT,
    PRIMARY KEY (account, hash)
);
