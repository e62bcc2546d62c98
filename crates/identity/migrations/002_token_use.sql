-- When each token of a key was set and last used, so that a rotation shows whether programs still show the old one.
ALTER TABLE api_key_tokens ADD COLUMN set_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE api_key_tokens ADD COLUMN last_used_at BIGINT;
UPDATE api_key_tokens SET set_at = COALESCE((SELECT created_at FROM api_keys WHERE api_keys.id = api_key_tokens.api_key), 0);
