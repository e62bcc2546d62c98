-- The directory that keeps a person: the id of its source (kind `provisioning_sources`). Name and standing are then the
-- directory's to say.
ALTER TABLE users ADD COLUMN directory TEXT;
