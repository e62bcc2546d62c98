-- Answers to requests that may be sent again (Idempotency-Key), so that nothing is done twice. The digest covers who asked,
-- where, and the key; the fingerprint covers what was asked. answer is sealed by whoever keeps it, and absent while the
-- request is under way: once busy_until is past and it is still absent, nobody knows what became of it.
-- The digest is a random value, so a row here costs a page: it is paid only by requests that ask for it, and the table holds
-- two days.
CREATE TABLE kept_answers (
  digest BYTEA PRIMARY KEY,
  fingerprint BYTEA NOT NULL,
  answer TEXT,
  busy_until BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX kept_answers_expiry ON kept_answers (expires_at);
