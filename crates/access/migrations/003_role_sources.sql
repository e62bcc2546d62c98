-- Where each role of a person comes from: '' is what was configured, otherwise the identity provider whose groups gave it.
-- role_assignments is what follows from all of them.
CREATE TABLE role_sources (
    user_id TEXT NOT NULL,
    source TEXT NOT NULL,
    role TEXT NOT NULL,
    scope TEXT NOT NULL,
    PRIMARY KEY (user_id, source, role, scope)
);
CREATE INDEX role_sources_by_source ON role_sources (source, user_id);
INSERT INTO role_sources (user_id, source, role, scope) SELECT user_id, '', role, scope FROM role_assignments;
