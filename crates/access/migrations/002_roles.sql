-- Roles that the organisation made itself; capabilities are names, parted by spaces. role_assignments.role holds a ready
-- role's name or an id of this table.
CREATE TABLE custom_roles (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    capabilities TEXT NOT NULL,
    workspace TEXT,
    changed_at BIGINT NOT NULL
);

-- Who supervises which group: what a supervisor's role is bounded to.
CREATE TABLE group_supervisors (
    group_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    workspace TEXT NOT NULL,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_supervisors_by_user ON group_supervisors (user_id);
