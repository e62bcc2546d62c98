-- Projection of the kind `carriers`: what a connection needs, with the password sealed under the configuration key.
CREATE TABLE carriers (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  settings TEXT NOT NULL,
  password TEXT NOT NULL,
  version BIGINT NOT NULL
);
