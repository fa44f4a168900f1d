-- Jobs: the row is the truth, Redis only carries hints that a row is waiting.

CREATE TABLE formula_jobs (
    id             uuid PRIMARY KEY,       -- uuid5 of what makes the job unique
    queue          text NOT NULL,
    name           text NOT NULL,
    consumer       text NOT NULL,          -- with position, name and key: what makes it unique
    position       bigint NOT NULL,
    key            text NOT NULL,
    args           jsonb NOT NULL,
    correlation_id uuid,                   -- of the command that led to it
    state          text NOT NULL DEFAULT 'queued',   -- queued, running, done, refused, dead
    attempts       integer NOT NULL DEFAULT 0,       -- claims so far; with worker, what fences one
    max_attempts   integer NOT NULL,
    run_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    hinted_at      timestamptz,            -- when Redis was last told
    worker         uuid,
    lease_until    timestamptz,
    error          text,                   -- of the last attempt
    made_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at     timestamptz,            -- of the last attempt
    finished_at    timestamptz,
    UNIQUE (consumer, position, name, key)
);
CREATE INDEX formula_jobs_waiting_idx ON formula_jobs (queue, hinted_at NULLS FIRST, run_at)
    WHERE state = 'queued';
CREATE INDEX formula_jobs_leased_idx ON formula_jobs (lease_until) WHERE state = 'running';
CREATE INDEX formula_jobs_listed_idx ON formula_jobs (made_at DESC, id DESC);
CREATE INDEX formula_jobs_counted_idx ON formula_jobs (queue, state);

-- The job consumer starts at the log's beginning, however old the log is.
INSERT INTO formula_checkpoints (name) VALUES ('jobs');
