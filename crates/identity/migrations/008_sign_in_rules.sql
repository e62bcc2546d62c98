-- The rules for passwords and lock-out, as a projection of the kind `sign_in_rules`.
CREATE TABLE sign_in_rules (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    rules TEXT NOT NULL
);

-- Whether another password is asked for at the next sign-in (X-15), and the hashes of those before, where the rules remember
-- them (X-10).
ALTER TABLE credentials ADD COLUMN must_change BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE old_passwords (
    user_id TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, changed_at)
);
