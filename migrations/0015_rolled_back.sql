-- What operators went back to stays, until code comes that is newer than what they went back from.
-- `began`: the position a build began at; it is not the log's beginning for what served before.
ALTER TABLE formula_generations
    ADD COLUMN instead_of integer NOT NULL DEFAULT 0,
    ADD COLUMN began bigint NOT NULL DEFAULT 0;
