-- Providers of identities, as projections of the kind `identity_providers`. workspace is always '': the organisation's. The
-- secret is sealed. accounts says for whom accounts are made; second_factor whether the provider's word is enough.
CREATE TABLE identity_providers (
    id TEXT NOT NULL PRIMARY KEY,
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    label TEXT NOT NULL,
    kind TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    issuer TEXT NOT NULL,
    client_id TEXT NOT NULL,
    client_auth TEXT NOT NULL,
    client_secret TEXT,
    scopes TEXT NOT NULL,
    algorithms TEXT NOT NULL,
    authority TEXT,
    accounts TEXT NOT NULL,
    groups_claim TEXT NOT NULL,
    second_factor TEXT NOT NULL,
    last_success_at BIGINT,
    last_failure_at BIGINT,
    last_failure TEXT
);
CREATE UNIQUE INDEX identity_providers_by_issuer ON identity_providers (issuer);

-- Which groups of a provider give which roles.
CREATE TABLE group_mappings (
    provider TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    scope TEXT NOT NULL,
    PRIMARY KEY (provider, name, role, scope)
);

-- Who a provider's people are here. A person is known by issuer and subject, never by an address. origin is 'person' or
-- 'administrator' (who linked them) or 'provisioned' (the account was made for them). groups is what the provider said last.
CREATE TABLE linked_identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    provider TEXT NOT NULL,
    user_id TEXT NOT NULL,
    origin TEXT NOT NULL,
    groups TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX linked_identities_by_user ON linked_identities (user_id, created_at);
CREATE INDEX linked_identities_by_provider ON linked_identities (provider);

-- Sign-ons under way. Everything else about one follows from the token, which the browser alone has. user_id is '' unless a
-- person links an identity to their own account.
CREATE TABLE sign_ons (
    token_hash BYTEA NOT NULL PRIMARY KEY,
    provider TEXT NOT NULL,
    user_id TEXT NOT NULL,
    next TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
