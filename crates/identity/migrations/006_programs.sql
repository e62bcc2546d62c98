-- Which certificates belong to which program. The matcher is what a shown certificate is found by: its fingerprint, or a hash
-- over subject and issuer. What was seen last says when a program's certificate ends.
CREATE TABLE client_certificates (
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    workspace TEXT NOT NULL,
    matcher TEXT NOT NULL,
    rule TEXT NOT NULL,
    last_used_at BIGINT,
    seen_fingerprint TEXT,
    seen_not_after BIGINT,
    PRIMARY KEY (kind, owner, matcher)
);

CREATE INDEX client_certificates_by_matcher ON client_certificates (matcher, kind);
CREATE INDEX client_certificates_by_workspace ON client_certificates (workspace);

-- OAuth clients, as projections of the kind `oauth_clients`. Without an end: those that prove themselves by a key or certificate.
CREATE TABLE oauth_clients (
    id TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    proof TEXT NOT NULL,
    scopes TEXT NOT NULL,
    audiences TEXT NOT NULL,
    allow TEXT NOT NULL,
    token_minutes BIGINT NOT NULL,
    public_keys TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT
);

CREATE INDEX oauth_clients_by_workspace ON oauth_clients (workspace, name);

-- The secrets a client answers to: the current one, and in rotation the one before until it runs out.
CREATE TABLE oauth_client_secrets (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    client TEXT NOT NULL,
    retires_at BIGINT,
    set_at BIGINT NOT NULL,
    last_used_at BIGINT
);

CREATE INDEX oauth_client_secrets_by_client ON oauth_client_secrets (client);

-- Access tokens, as hashes. One that is bound to a certificate counts only over a connection with it (RFC 8705).
CREATE TABLE oauth_tokens (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    client TEXT NOT NULL,
    scopes TEXT NOT NULL,
    audiences TEXT NOT NULL,
    certificate BYTEA,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX oauth_tokens_by_client ON oauth_tokens (client, expires_at);
CREATE INDEX oauth_tokens_by_end ON oauth_tokens (expires_at);

-- Assertions that counted: each counts once (RFC 7523 section 3).
CREATE TABLE oauth_assertions (
    client TEXT NOT NULL,
    jti_hash BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (client, jti_hash)
);

CREATE INDEX oauth_assertions_by_end ON oauth_assertions (expires_at);

-- Services of others whose tokens count here, as projections of the kind `token_issuers`.
CREATE TABLE token_issuers (
    id TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    issuer TEXT NOT NULL,
    jwks_uri TEXT,
    ca TEXT,
    audiences TEXT NOT NULL,
    algorithms TEXT NOT NULL,
    rules TEXT NOT NULL,
    doors TEXT NOT NULL,
    allow TEXT NOT NULL,
    longest_minutes BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);

CREATE INDEX token_issuers_by_issuer ON token_issuers (issuer);
CREATE INDEX token_issuers_by_workspace ON token_issuers (workspace, name);
