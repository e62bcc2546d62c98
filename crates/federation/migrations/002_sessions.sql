-- What somebody was sent to a provider for: '' to sign in, 'link' to link an identity, 'prove' to prove themselves once more.
ALTER TABLE sign_ons ADD COLUMN purpose TEXT NOT NULL DEFAULT '';

-- Log-out tokens that counted: each counts once, until it has run out.
CREATE TABLE logout_tokens (
    provider TEXT NOT NULL,
    jti_hash BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (provider, jti_hash)
);
CREATE INDEX logout_tokens_by_end ON logout_tokens (expires_at);
