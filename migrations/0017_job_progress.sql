-- Whose job it is, and how far its worker says it is: what the owner is told in their own room.
ALTER TABLE formula_jobs
    ADD COLUMN owner    uuid,    -- who did what led to it
    ADD COLUMN progress real;    -- 0 to 1; null: it does not say
