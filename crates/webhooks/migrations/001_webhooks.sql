-- Receivers of callbacks: those that people configure, and (own) the hosts of addresses that messages bring along, one for
-- each workspace, host and port. workspace is '' for the whole account. circuit: 0 closed, 1 open. Secrets are sealed.
CREATE TABLE webhooks (
  id TEXT PRIMARY KEY,
  workspace TEXT NOT NULL,
  own BOOLEAN NOT NULL,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  enabled BOOLEAN NOT NULL,
  events TEXT NOT NULL,
  auth_header TEXT,
  token_url TEXT,
  client_id TEXT,
  client_secret TEXT,
  credentials_in TEXT,
  scope TEXT,
  authority TEXT,
  version BIGINT NOT NULL,
  removed BOOLEAN NOT NULL,
  circuit BIGINT NOT NULL DEFAULT 0,
  circuit_reason TEXT,
  circuit_since BIGINT,
  probe_at BIGINT,
  openings BIGINT NOT NULL DEFAULT 0,
  failures BIGINT NOT NULL DEFAULT 0,
  failing_since BIGINT,
  last_success BIGINT,
  last_failure BIGINT,
  last_error TEXT
);
CREATE INDEX webhooks_by_workspace ON webhooks (workspace, own, name);

-- Secrets that sign: the present one, and the one before until it retires.
CREATE TABLE webhook_secrets (
  webhook TEXT NOT NULL,
  workspace TEXT NOT NULL,
  hash BYTEA NOT NULL,
  sealed TEXT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT,
  PRIMARY KEY (webhook, hash)
);

-- Callbacks, in the order of what they tell. state: 0 waiting, 1 under way, 2 behind an earlier one of the same subject,
-- 3 delivered, 4 given up. Numbers are drawn in order and subjects are ids by time, so no index here is led by a random
-- value. uid is the webhook-id. SQLite uses the partial indexes only where the state stands in the query literally.
-- postgres: CREATE SEQUENCE callback_ids;
CREATE TABLE callbacks (
-- postgres: id BIGINT PRIMARY KEY DEFAULT nextval('callback_ids'),
-- sqlite: id BIGINT PRIMARY KEY AUTOINCREMENT,
  uid TEXT NOT NULL,
  webhook TEXT NOT NULL,
  workspace TEXT NOT NULL,
  event TEXT NOT NULL,
  subject TEXT NOT NULL,
  state BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  give_up_at BIGINT NOT NULL,
  done_at BIGINT,
  attempts BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  fence BIGINT,
  status BIGINT,
  error TEXT,
  url TEXT,
  body TEXT NOT NULL
);
CREATE INDEX callbacks_due ON callbacks (webhook, due_at, id) WHERE state = 0;
CREATE INDEX callbacks_open ON callbacks (webhook, subject, id) WHERE state < 3;
CREATE INDEX callbacks_late ON callbacks (give_up_at) WHERE state < 3;
CREATE INDEX callbacks_given_up ON callbacks (webhook, id) WHERE state = 4;
CREATE INDEX callbacks_by_subject ON callbacks (subject, id);
CREATE INDEX callbacks_by_webhook ON callbacks (webhook, id);
CREATE INDEX callbacks_by_workspace ON callbacks (workspace, id);
CREATE INDEX callbacks_by_time ON callbacks (created_at);

-- What came of each try. beginning is that of the receiver's answer, with digits and long words masked.
CREATE TABLE callback_attempts (
  callback BIGINT NOT NULL,
  number BIGINT NOT NULL,
  at BIGINT NOT NULL,
  duration_ms BIGINT NOT NULL,
  status BIGINT,
  error TEXT,
  beginning TEXT,
  PRIMARY KEY (callback, number)
);
