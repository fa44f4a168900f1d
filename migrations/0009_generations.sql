-- A generation is built beside the one that serves, as far as its slices say, and then switched.

-- States: building, ready (near the head: the group's leader may switch), switching, serving,
-- retired (as far as its slice says, for a way back), shadow (a check's: it never serves).
ALTER TABLE formula_generations
    ADD COLUMN target     bigint      NOT NULL DEFAULT 0,  -- the log's head when the build began
    ADD COLUMN asked_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT clock_timestamp();

-- How far each slice of a generation is projected; where it serves the checkpoint speaks for it.
CREATE TABLE formula_slices (
    schema   text    NOT NULL REFERENCES formula_generations (schema) ON DELETE CASCADE,
    slice    integer NOT NULL,
    position bigint  NOT NULL DEFAULT 0,
    PRIMARY KEY (schema, slice)
);

-- Moves a slice, or fails: somebody else builds it, or the leader has taken it over (`mine`).
CREATE FUNCTION formula_advance_slice(
    generation text, part integer, from_position bigint, to_position bigint, mine boolean
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM formula_generations g WHERE g.schema = generation
        AND CASE WHEN mine THEN g.state = 'switching'
            ELSE g.state IN ('building', 'ready', 'shadow') END
        FOR SHARE;
    IF FOUND THEN
        UPDATE formula_slices s SET position = to_position
        WHERE s.schema = generation AND s.slice = part AND s.position = from_position;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'slice % of % is no longer at %', part, generation, from_position
            USING ERRCODE = 'FM001';
    END IF;
END $$;

-- Each generation has dead letters of its own: a changed projection may apply what the old could not.
ALTER TABLE formula_dead_letters
    ADD COLUMN generation text,
    ADD COLUMN attempts   integer NOT NULL DEFAULT 1,
    ADD COLUMN asked      text CHECK (asked IN ('retry', 'skip'));  -- what the leader is to do
UPDATE formula_dead_letters d SET generation = coalesce(
    (SELECT g.schema FROM formula_generations g
     WHERE g.projection = d.projection AND g.state = 'serving'), d.projection);
ALTER TABLE formula_dead_letters
    ALTER COLUMN generation SET NOT NULL,
    DROP CONSTRAINT formula_dead_letters_pkey,
    ADD PRIMARY KEY (generation, position);

-- Events that an operator had a projection pass over: rebuilds pass over them as well.
CREATE TABLE formula_skipped_events (
    projection text   NOT NULL,
    position   bigint NOT NULL,
    PRIMARY KEY (projection, position)
);
