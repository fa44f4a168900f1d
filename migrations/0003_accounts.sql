-- What must not be in the log: password hashes and refresh tokens.

CREATE TABLE formula_credentials (
    user_id    uuid PRIMARY KEY,
    hash       text NOT NULL,          -- argon2id, with its parameters
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row for each refresh token ever issued; a family is one log-in. A token used twice ends
-- its family: one of the two users stole it.
CREATE TABLE formula_refresh_tokens (
    token_hash bytea PRIMARY KEY,      -- SHA-256
    family     uuid NOT NULL,
    user_id    uuid NOT NULL,
    issued_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    revoked_at timestamptz
);
CREATE INDEX formula_refresh_tokens_family_idx ON formula_refresh_tokens (family);
CREATE INDEX formula_refresh_tokens_user_idx ON formula_refresh_tokens (user_id);
