-- Messages that came in one request. number rises by one, so that the index over messages is led by nothing random (see
-- 001). accepted and rejected are said when the whole request is done; NULL while it is under way, or when the process died in it.
CREATE TABLE message_batches (
    number BIGINT PRIMARY KEY,
    uid TEXT NOT NULL,
    workspace TEXT NOT NULL,
    client_ref TEXT,
    submitter TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    items BIGINT NOT NULL,
    accepted BIGINT,
    rejected BIGINT,
    cancelled_at BIGINT
);
CREATE UNIQUE INDEX message_batches_by_uid ON message_batches (uid);
CREATE INDEX message_batches_by_workspace ON message_batches (workspace, number);
ALTER TABLE messages ADD COLUMN batch BIGINT;
CREATE INDEX messages_by_batch ON messages (batch, id) WHERE batch IS NOT NULL;
