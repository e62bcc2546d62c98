-- Routes by country and by the sender that a message names, with a priority and a share among equals. name tells two routes for
-- the same messages apart.
ALTER TABLE routes ADD COLUMN name TEXT;
ALTER TABLE routes ADD COLUMN country TEXT;
ALTER TABLE routes ADD COLUMN from_sender TEXT;
ALTER TABLE routes ADD COLUMN priority BIGINT;
ALTER TABLE routes ADD COLUMN weight BIGINT;
