-- Projections of the kind `flows`. A removed flow keeps its rows, so that runs that began under it come to their end
-- and old runs can still be read.
CREATE TABLE flows (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    version BIGINT NOT NULL,
    steps BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    removed BOOLEAN NOT NULL
);
CREATE INDEX flows_by_workspace ON flows (workspace, name);

CREATE TABLE flow_versions (
    flow TEXT NOT NULL,
    version BIGINT NOT NULL,
    workspace TEXT NOT NULL,
    document TEXT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (flow, version)
);

-- One execution of one flow for one event. `segment` counts the transactions that carried it on: each checks the one
-- before, so that no effect happens twice. `data` (the event, variables, outputs of steps) and `reason` are sealed: they
-- can hold what a sender sent.
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    flow TEXT NOT NULL,
    version BIGINT NOT NULL,
    integration TEXT,
    signal TEXT,
    ordinal BIGINT NOT NULL,
    state TEXT NOT NULL,
    segment BIGINT NOT NULL,
    step TEXT,
    steps BIGINT NOT NULL,
    reason TEXT,
    alert TEXT,
    data TEXT NOT NULL,
    started BIGINT NOT NULL,
    finished BIGINT
);
CREATE UNIQUE INDEX runs_by_signal ON runs (signal, ordinal);
CREATE INDEX runs_by_workspace ON runs (workspace, id);
CREATE INDEX runs_by_flow ON runs (flow, id);

CREATE TABLE run_steps (
    run TEXT NOT NULL,
    number BIGINT NOT NULL,
    workspace TEXT NOT NULL,
    step TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    record TEXT NOT NULL,
    next TEXT,
    at BIGINT NOT NULL,
    PRIMARY KEY (run, number)
);
