-- Jobs: the row is the truth, Redis only carries hints that a row is waiting.

CREATE TABLE formula_jobs (
    id          uuid PRIMARY KEY,
    queue       text NOT NULL,
    name        text NOT NULL,
    consumer    text NOT NULL,          -- with position, name and key: what makes a job unique
    position    bigint NOT NULL,
    key         text NOT NULL,
    args        jsonb NOT NULL,
    state       text NOT NULL DEFAULT 'queued',   -- queued, running, done, dead
    attempts    integer NOT NULL DEFAULT 0,
    run_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    hinted_at   timestamptz,            -- when Redis was last told
    worker      uuid,
    lease_until timestamptz,
    error       text,
    made_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at  timestamptz,
    finished_at timestamptz,
    UNIQUE (consumer, position, name, key)
);
CREATE INDEX formula_jobs_waiting_idx ON formula_jobs (queue, run_at) WHERE state = 'queued';
CREATE INDEX formula_jobs_leased_idx ON formula_jobs (lease_until) WHERE state = 'running';
CREATE INDEX formula_jobs_listed_idx ON formula_jobs (made_at DESC, id);
