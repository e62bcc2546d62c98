-- What lists of alerts are filtered by. None is led by a random value.
CREATE INDEX alerts_opened ON alerts (workspace, opened_at, number);
CREATE INDEX alerts_integration ON alerts (workspace, integration, number) WHERE integration IS NOT NULL;
CREATE INDEX alerts_priority ON alerts (workspace, priority, number);
CREATE INDEX alerts_key ON alerts (workspace, dedup_key, number) WHERE dedup_key IS NOT NULL;
