-- Carriers by which nothing is sent until somebody says so. Not part of the settings: it is an act of the night, not configuration.
CREATE TABLE carrier_pauses (
  carrier TEXT PRIMARY KEY,
  since BIGINT NOT NULL,
  paused_by TEXT NOT NULL,
  reason TEXT NOT NULL
);
