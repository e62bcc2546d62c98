-- How far the log was streamed to a collector: the number of the last entry that counts as delivered.
CREATE TABLE audit_streams (
    name TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    delivered BIGINT NOT NULL,
    failure TEXT,
    failed_at BIGINT
);
