-- When a person last signed in, and since when their account is switched off (projection of the field `enabled`).
ALTER TABLE users ADD COLUMN last_sign_in_at BIGINT;
ALTER TABLE users ADD COLUMN disabled_at BIGINT;
