-- The organisation that runs this installation: one row.
CREATE TABLE organisation (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Workspaces, archived ones included: a slug is never reused (E-16), since old keys and URLs may still name it.
CREATE TABLE workspaces (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL,
    slug_folded TEXT NOT NULL,
    environment TEXT NOT NULL,
    name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    controlled BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    archived_at BIGINT
);
CREATE UNIQUE INDEX workspaces_by_slug ON workspaces (slug_folded);

-- scope is 'organisation' or a workspace id.
CREATE TABLE role_assignments (
    user_id TEXT NOT NULL,
    role TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, role, scope)
);
CREATE INDEX role_assignments_by_role ON role_assignments (role, scope);
