-- Levels that operators ask of loggers for a while: every process reads them with its heartbeat.
CREATE TABLE formula_log_levels (
    logger text        PRIMARY KEY,  -- empty: all of them
    level  text        NOT NULL,
    until  timestamptz NOT NULL
);

-- The span of the command that led to a job, where its trace is collected.
ALTER TABLE formula_jobs ADD COLUMN span bigint;
