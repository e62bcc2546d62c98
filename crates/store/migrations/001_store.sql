-- Named counters: numbers of alerts, epochs of nodes.
CREATE TABLE counters (
  name TEXT PRIMARY KEY,
  value BIGINT NOT NULL
);

-- Who is alive: the counter moves every two seconds. Observers trust its movement, never a clock of another machine;
-- beat_at is for people.
CREATE TABLE nodes (
  name TEXT PRIMARY KEY,
  epoch BIGINT NOT NULL,
  counter BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  beat_at BIGINT NOT NULL
);

-- Work that one node at a time does. The fence grows with each new owner.
CREATE TABLE leases (
  name TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  fence BIGINT NOT NULL,
  taken_at BIGINT NOT NULL
);

-- Work to be done. state 0: waiting, 1: claimed. unique_key is the job's key until its first claim: what is enqueued
-- while the work is under way must not be swallowed by it.
-- postgres: CREATE SEQUENCE job_ids;
CREATE TABLE jobs (
-- postgres: id BIGINT PRIMARY KEY DEFAULT nextval('job_ids'),
-- sqlite: id BIGINT PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  topic TEXT,
  job_key TEXT,
  unique_key TEXT,
  payload TEXT NOT NULL,
  run_at BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  state BIGINT NOT NULL DEFAULT 0,
  attempts BIGINT NOT NULL DEFAULT 0,
  interrupted BIGINT NOT NULL DEFAULT 0,
  reason TEXT,
  owner TEXT,
  epoch BIGINT,
  fence BIGINT
);
CREATE INDEX jobs_waiting ON jobs (kind, run_at, id) WHERE state = 0;
CREATE INDEX jobs_claimed ON jobs (owner, epoch) WHERE state = 1;
CREATE UNIQUE INDEX jobs_unique_key ON jobs (kind, unique_key) WHERE unique_key IS NOT NULL;

-- Work that was given up, with the reason of its last try; a person may retry it.
CREATE TABLE dead_jobs (
  id BIGINT PRIMARY KEY,
  kind TEXT NOT NULL,
  topic TEXT,
  job_key TEXT,
  payload TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  died_at BIGINT NOT NULL,
  attempts BIGINT NOT NULL,
  reason TEXT NOT NULL
);
