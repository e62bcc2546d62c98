-- A segment (see 001) has 1024 rows from now on, a quarter of what it had: each commit rewrites most pages of the newest one in
-- two indexes. The next segment to be leased begins behind every row there is, and its number is above all that were given.
UPDATE counters SET value = value * 4 + 4 WHERE name = 'messages.segments';
