-- Directories that keep people here, as projections of the kind `provisioning_sources`. provider is the identity provider with
-- which these people sign in ('' when none), subject the attribute that is their subject there; programs are the
-- keys and clients that speak for the directory, as workspace/name and apart by line breaks, anybody's with the right when empty.
CREATE TABLE provisioning_sources (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    label TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    provider TEXT NOT NULL,
    subject TEXT NOT NULL,
    invite BOOLEAN NOT NULL,
    programs TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_request_at BIGINT
);
CREATE UNIQUE INDEX provisioning_sources_by_name ON provisioning_sources (name);

-- Which groups of a directory give which roles.
CREATE TABLE provisioning_roles (
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    scope TEXT NOT NULL,
    PRIMARY KEY (source, name, role, scope)
);

-- People whom a directory keeps. attributes is what the directory says, sealed; what is looked for stands beside it. subject is
-- who the person is to the identity provider, once linked. A row goes with its person, or when the directory deletes them.
CREATE TABLE provisioned_people (
    user_id TEXT NOT NULL PRIMARY KEY,
    source TEXT NOT NULL,
    user_name TEXT NOT NULL,
    user_name_folded TEXT NOT NULL,
    external_id TEXT,
    subject TEXT,
    attributes TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX provisioned_people_by_name ON provisioned_people (user_name_folded);
CREATE INDEX provisioned_people_by_source ON provisioned_people (source, created_at, user_id);
CREATE INDEX provisioned_people_by_external ON provisioned_people (source, external_id);

-- What filters may ask of a person besides: names and addresses, folded. item tells the values of one attribute apart.
CREATE TABLE provisioned_terms (
    user_id TEXT NOT NULL,
    attribute TEXT NOT NULL,
    item BIGINT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (user_id, attribute, item)
);
CREATE INDEX provisioned_terms_by_value ON provisioned_terms (attribute, value);

-- Groups of a directory. They are not the groups that are on call.
CREATE TABLE directory_groups (
    id TEXT NOT NULL PRIMARY KEY,
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    name_folded TEXT NOT NULL,
    external_id TEXT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX directory_groups_by_name ON directory_groups (source, name_folded);

CREATE TABLE directory_members (
    group_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX directory_members_by_user ON directory_members (user_id);

-- What directories asked lately: changes, and whatever was refused. reason is for people and holds no personal value.
CREATE TABLE provisioning_requests (
    id TEXT NOT NULL PRIMARY KEY,
    source TEXT NOT NULL,
    at BIGINT NOT NULL,
    program TEXT NOT NULL,
    method TEXT NOT NULL,
    target TEXT NOT NULL,
    target_id TEXT NOT NULL,
    status BIGINT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX provisioning_requests_by_time ON provisioning_requests (source, at);
