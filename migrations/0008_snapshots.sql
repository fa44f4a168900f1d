-- States of long streams, so that nobody folds them from their beginning: a cache, nothing else.

CREATE TABLE formula_snapshots (
    stream      uuid PRIMARY KEY,
    fingerprint text NOT NULL,             -- of the code that folded it
    version     bigint NOT NULL,
    state       bytea NOT NULL,
    taken_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
