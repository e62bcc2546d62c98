-- Who is on call, as projections of configured kinds. Never written by anything else.
-- Classes: `number` is sealed (restricted), `handset` is a keyed hash; login and name are confidential.
CREATE TABLE oncall_people (
    id TEXT PRIMARY KEY,
    login TEXT NOT NULL,
    login_folded TEXT NOT NULL,
    name TEXT NOT NULL,
    enabled BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX oncall_people_login ON oncall_people (login_folded);

CREATE TABLE devices (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    number TEXT NOT NULL,
    handset TEXT NOT NULL,
    position BIGINT NOT NULL,
    verified BOOLEAN NOT NULL,
    added_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX devices_user ON devices (user_id, handset);
CREATE INDEX devices_handset ON devices (handset);

CREATE TABLE oncall_groups (
    id TEXT PRIMARY KEY,
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    definition TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX oncall_groups_name ON oncall_groups (workspace, name_folded);
