-- Every method has its credentials: of one there are two while the new takes over from the old. Tokens and passwords lie as
-- a keyed hash; the secret of signatures, which checking needs in clear, lies sealed beside its hash. `last_source` and
-- `last_agent` say who still uses the old one.
CREATE TABLE integration_credentials (
    integration TEXT NOT NULL,
    workspace TEXT NOT NULL,
    method TEXT NOT NULL,
    hash BYTEA NOT NULL,
    sealed TEXT,
    imported BOOLEAN NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT,
    last_used BIGINT,
    last_source TEXT,
    last_agent TEXT,
    PRIMARY KEY (integration, method, hash)
);
INSERT INTO integration_credentials (integration, workspace, method, hash, imported, created, expires, last_used)
    SELECT t.integration, i.workspace, 'url_token', t.hash, t.imported, t.created, t.expires, t.last_used
    FROM integration_tokens t JOIN integrations i ON i.id = t.integration;
DROP TABLE integration_tokens;

-- The user name of HTTP Basic is the integration's id when none is set.
ALTER TABLE integrations ADD COLUMN username TEXT;
ALTER TABLE integrations ADD COLUMN rotation_hours BIGINT NOT NULL DEFAULT 24;
ALTER TABLE integrations ADD COLUMN keep_days BIGINT NOT NULL DEFAULT 90;
ALTER TABLE integrations ADD COLUMN keep_refused_days BIGINT NOT NULL DEFAULT 30;

-- `summary` is sealed: title and key of the first event. `replay_of` is the signal whose body was taken again.
ALTER TABLE signals ADD COLUMN summary TEXT;
ALTER TABLE signals ADD COLUMN replay_of TEXT;
CREATE INDEX signals_by_original ON signals (replay_of) WHERE replay_of IS NOT NULL;

-- The `webhook-id`s that were accepted, so that a signed message counts once.
CREATE TABLE signal_ids (
    integration TEXT NOT NULL,
    webhook_id TEXT NOT NULL,
    signal TEXT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (integration, webhook_id)
);
CREATE INDEX signal_ids_by_end ON signal_ids (expires);
