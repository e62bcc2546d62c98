-- The versions of the key-encryption key: 'known' (announced, wraps nothing yet), 'active' (one: wraps everything new),
-- 'old' (opens what is not wrapped anew yet), 'retired' (refused). check_value proves that two machines mean the same key by a
-- number, and tells nothing about it.
CREATE TABLE vault_keks (
    version BIGINT PRIMARY KEY,
    check_value BYTEA NOT NULL,
    state TEXT NOT NULL,
    known_at BIGINT NOT NULL,
    active_at BIGINT,
    replaced_at BIGINT,
    retired_at BIGINT
);
-- Which version each node has in its key file at most: a version becomes active once every living node has it.
CREATE TABLE vault_nodes (
    node TEXT PRIMARY KEY,
    newest BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
-- The version that was active when a key was made: keys of configuration made under an older one get successors.
ALTER TABLE vault_keys ADD COLUMN made_under BIGINT NOT NULL DEFAULT 0;
UPDATE vault_keys SET made_under = kek_version;
-- When nothing was found sealed under a key that has a successor.
ALTER TABLE vault_keys ADD COLUMN emptied_at BIGINT;
