-- Everything that people configure. Bodies are JSON with secrets sealed or hashed. Ids are never reused (E-16):
-- a deleted entry keeps its row, and its name coming back makes a new row.
CREATE TABLE resources (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    -- '' for what belongs to the organisation, so that the unique index below sees it
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);

CREATE UNIQUE INDEX resources_by_name ON resources (kind, workspace, name_folded) WHERE deleted_at IS NULL;
CREATE INDEX resources_by_any_name ON resources (kind, name_folded);
CREATE INDEX resources_by_workspace ON resources (workspace) WHERE deleted_at IS NULL;

CREATE TABLE resource_versions (
    resource TEXT NOT NULL,
    version BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    body TEXT NOT NULL,
    difference TEXT NOT NULL,
    actor TEXT NOT NULL,
    at BIGINT NOT NULL,
    reason TEXT,
    audit TEXT NOT NULL,
    PRIMARY KEY (resource, version)
);

-- Who refers to whom, so that nothing referred to can go.
CREATE TABLE resource_references (
    from_id TEXT NOT NULL,
    path TEXT NOT NULL,
    to_id TEXT NOT NULL,
    PRIMARY KEY (from_id, path)
);

CREATE INDEX resource_references_to ON resource_references (to_id);

-- One writer at a time over all nodes: whoever changes configuration counts here first, and the row stays locked until
-- the commit. So nothing can be referred to and deleted at the same time.
CREATE TABLE resource_writer (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    changes BIGINT NOT NULL
);
