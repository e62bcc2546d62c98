-- What is known of providers that speak SAML. settings is what was configured, facts what its metadata says or was entered by hand
-- ('' until it was fetched). next_fetch_at is NULL where nothing is fetched; tried_at is when it last was tried.
CREATE TABLE saml_providers (
    provider TEXT NOT NULL PRIMARY KEY,
    settings TEXT NOT NULL,
    facts TEXT NOT NULL,
    fetched_at BIGINT,
    next_fetch_at BIGINT,
    tried_at BIGINT,
    fetch_failure TEXT,
    last_refusal_at BIGINT,
    last_refusal TEXT
);
CREATE INDEX saml_providers_by_next_fetch ON saml_providers (next_fetch_at);

-- Our key pairs, for each provider its own: 'current' signs, 'next' is published beside it, 'old' still opens. workspace is always
-- '': the organisation's. The private key is sealed.
CREATE TABLE saml_keys (
    id TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    provider TEXT NOT NULL,
    state TEXT NOT NULL,
    certificate TEXT NOT NULL,
    private_key TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX saml_keys_by_provider ON saml_keys (provider, state);

-- Identifiers of messages, until they have run out: sort is 'assertion' or 'logout' for those that count once and did, 'asked' for
-- our own requests for a log-out that wait for an answer.
CREATE TABLE saml_messages (
    provider TEXT NOT NULL,
    sort TEXT NOT NULL,
    id_hash BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (provider, sort, id_hash)
);
CREATE INDEX saml_messages_by_end ON saml_messages (expires_at);

-- Proven answers between the provider's form and our own next page, a minute. Sealed under the token that the browser alone has.
CREATE TABLE saml_arrivals (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    provider TEXT NOT NULL,
    sealed TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX saml_arrivals_by_end ON saml_arrivals (expires_at);

-- Whose name is whose subject, where the subject is an attribute: a log-out there says the name alone. As long as a session that
-- began with it can last.
CREATE TABLE saml_names (
    provider TEXT NOT NULL,
    name_hash BYTEA NOT NULL,
    subject TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (provider, name_hash)
);
CREATE INDEX saml_names_by_end ON saml_names (expires_at);
