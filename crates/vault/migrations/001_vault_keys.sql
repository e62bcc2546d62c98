-- The key ring. A key is wrapped by the key-encryption key of kek_version; once destroyed, only the row stays,
-- so that what it sealed can say why it cannot be read. workspace is '' for keys of the organisation;
-- period is a UTC day, a UTC month or 0, by purpose.
CREATE TABLE vault_keys (
    id BIGINT PRIMARY KEY,
    workspace TEXT NOT NULL,
    purpose TEXT NOT NULL,
    period BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    kek_version BIGINT NOT NULL,
    wrapped BYTEA,
    uses BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    destroyed_at BIGINT
);
CREATE UNIQUE INDEX vault_keys_by_place ON vault_keys (workspace, purpose, period, generation);
CREATE INDEX vault_keys_by_kek ON vault_keys (kek_version);
