-- The pairs that sign access tokens. The private half is sealed by a key made from JWT_SECRET, and
-- bound to its kid: who can read this table cannot sign, who can write it cannot add a key.
CREATE TABLE formula_keys (
    kid        text PRIMARY KEY,
    public     bytea NOT NULL,         -- Ed25519
    sealed     bytea NOT NULL,         -- the private half, AES-256-GCM, nonce first
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    signs_from timestamptz NOT NULL,   -- by then every node knows it
    retired_at timestamptz             -- from then on nothing that it signed holds
);

-- The secrets of API keys; whose they are, what they may and until when is in the log.
CREATE TABLE formula_api_keys (
    id      uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    hash    bytea NOT NULL,            -- SHA-256
    used_at timestamptz                -- within a minute
);

-- What people see of their log-ins; each token carries it on to the next.
ALTER TABLE formula_refresh_tokens
    ADD COLUMN started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD COLUMN address    text NOT NULL DEFAULT '',
    ADD COLUMN user_agent text NOT NULL DEFAULT '';
UPDATE formula_refresh_tokens AS t SET started_at = f.first
FROM (SELECT family, min(issued_at) AS first FROM formula_refresh_tokens GROUP BY family) AS f
WHERE f.family = t.family;
CREATE INDEX formula_api_keys_user_idx ON formula_api_keys (user_id);
