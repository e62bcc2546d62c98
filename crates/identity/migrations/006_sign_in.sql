-- Whether passwords open every account or those for emergencies alone, and the provider that everybody else signs in with.
CREATE TABLE sign_in (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    provider TEXT NOT NULL
);

-- Accounts for emergencies: their passwords work also where a provider is the only way in.
CREATE TABLE break_glass (
    user_id TEXT NOT NULL PRIMARY KEY,
    last_used_at BIGINT
);
