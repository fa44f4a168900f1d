-- What runs: a row for each process, kept alive by its heartbeat; leases have a fencing term.

CREATE TABLE formula_nodes (
    node       uuid PRIMARY KEY,
    role       text NOT NULL,
    name       text NOT NULL,
    pid        integer NOT NULL,
    state      text NOT NULL,          -- starting, ready, stopping
    detail     jsonb NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX formula_nodes_role_idx ON formula_nodes (role, seen_at);

-- Progress of every consumer of the log: projection groups and the job consumer.
CREATE TABLE formula_checkpoints (
    name       text PRIMARY KEY,
    position   bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A projection's generations: each a schema of its own; one serves.
CREATE TABLE formula_generations (
    projection text NOT NULL,
    schema     text NOT NULL UNIQUE,
    version    integer NOT NULL,
    state      text NOT NULL,          -- building, serving, retired
    made_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (projection, schema)
);
CREATE UNIQUE INDEX formula_generations_serving_idx ON formula_generations (projection)
    WHERE state = 'serving';

-- Events that a projection could not apply; later events of the stream wait behind the first.
CREATE TABLE formula_dead_letters (
    projection text NOT NULL,
    position   bigint NOT NULL,
    stream     uuid NOT NULL,
    error      text,                   -- null: held behind an earlier one
    parked_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (projection, position)
);
CREATE INDEX formula_dead_letters_stream_idx ON formula_dead_letters (projection, stream);

-- Moves a consumer's checkpoint, or fails: a deposed leader cannot write.
CREATE FUNCTION formula_advance(consumer text, from_position bigint, to_position bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE formula_checkpoints SET position = to_position, updated_at = clock_timestamp()
    WHERE name = consumer AND position = from_position;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'checkpoint of % is no longer at %', consumer, from_position
            USING ERRCODE = 'FM001';
    END IF;
END $$;
