-- What serves stops when a leader comes whose code is of another version and cannot fill it: its
-- slice says where. Whoever can fill it makes good what it lacks, before it is fed again.
ALTER TABLE formula_generations ADD COLUMN stopped boolean NOT NULL DEFAULT false;

CREATE OR REPLACE FUNCTION formula_advance_slice(
    generation text, part integer, from_position bigint, to_position bigint, mine boolean
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM formula_generations g WHERE g.schema = generation
        AND CASE WHEN mine THEN g.state = 'switching' OR g.stopped
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
