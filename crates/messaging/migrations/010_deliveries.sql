-- In SQLite one tree instead of two: a row comes and goes with each receipt.
-- (STRICT is put behind the parenthesis, as everywhere.)
ALTER TABLE deliveries RENAME TO deliveries_before;
CREATE TABLE deliveries (
    recipient TEXT NOT NULL,
    kind BIGINT NOT NULL,
    subject BIGINT NOT NULL,
    state BIGINT,
    at BIGINT NOT NULL,
    PRIMARY KEY (recipient, kind, subject)
-- sqlite: ), WITHOUT ROWID;
-- postgres: );
INSERT INTO deliveries (recipient, kind, subject, state, at) SELECT recipient, kind, subject, state, at FROM deliveries_before;
DROP TABLE deliveries_before;
