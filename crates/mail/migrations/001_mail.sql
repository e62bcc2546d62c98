-- Letters by e-mail, queued in the transaction that causes them. The letter itself holds an address and often a link's
-- secret: it is sealed, and gone once the letter has left or was given up. The row stays, to say what became of it.
CREATE TABLE mails (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    state TEXT NOT NULL,
    letter TEXT,
    tries BIGINT NOT NULL,
    reason TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    settled_at BIGINT
);

CREATE INDEX mails_by_user ON mails (user_id, created_at);
CREATE INDEX mails_by_age ON mails (created_at);
