-- What people chose for themselves about how pages look to them. No right depends on it.
CREATE TABLE preferences (
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, name)
);
