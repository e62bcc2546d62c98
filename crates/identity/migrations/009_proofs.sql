-- Whether a session began with two factors: with them at once, or with one after the other.
ALTER TABLE sessions ADD COLUMN strong BOOLEAN NOT NULL DEFAULT FALSE;

-- How somebody half way proved themselves first.
ALTER TABLE half_way ADD COLUMN first_proof TEXT NOT NULL DEFAULT 'password';

-- Whom the secret of an app that is being set up was shown to: a session, or somebody half way.
ALTER TABLE authenticators ADD COLUMN drawn_for TEXT NOT NULL DEFAULT '';

-- Who else saw the link, and so could have chosen the password with it; '' for nobody.
ALTER TABLE one_time_links ADD COLUMN shown_to TEXT NOT NULL DEFAULT '';
ALTER TABLE credentials ADD COLUMN shown_to TEXT NOT NULL DEFAULT '';
