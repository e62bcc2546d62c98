-- Which identity elsewhere a session rests on, and what its provider calls its own session with the person: a log-out there ends
-- it here. '' where nobody else vouched. Who is half way takes it along.
ALTER TABLE sessions ADD COLUMN provider TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN provider_subject TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN provider_session TEXT NOT NULL DEFAULT '';
CREATE INDEX sessions_by_provider ON sessions (provider, provider_subject);
ALTER TABLE half_way ADD COLUMN provider TEXT NOT NULL DEFAULT '';
ALTER TABLE half_way ADD COLUMN provider_subject TEXT NOT NULL DEFAULT '';
ALTER TABLE half_way ADD COLUMN provider_session TEXT NOT NULL DEFAULT '';

-- When a token of an issuer was last refused, and why.
ALTER TABLE token_issuers ADD COLUMN last_refused_at BIGINT;
ALTER TABLE token_issuers ADD COLUMN last_refusal TEXT;

-- Letters about what ends soon, each once: for whom, about what, which end, and how many days before.
CREATE TABLE expiry_letters (
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    ends_at BIGINT NOT NULL,
    days BIGINT NOT NULL,
    sent_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, kind, owner, ends_at, days)
);
CREATE INDEX expiry_letters_by_end ON expiry_letters (ends_at);
