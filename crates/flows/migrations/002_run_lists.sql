-- What lists of runs are filtered by. Ids rise with time, so an index that ends in the id is written at its end.
-- Runs that need a look are few: those that went well are not in the partial index at all, which is why a query that
-- wants it says `state <> 'done'` literally.
CREATE INDEX runs_by_integration ON runs (integration, id) WHERE integration IS NOT NULL;
CREATE INDEX runs_by_alert ON runs (alert, id) WHERE alert IS NOT NULL;
CREATE INDEX runs_to_look_at ON runs (workspace, id) WHERE state <> 'done';
