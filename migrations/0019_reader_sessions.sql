-- By which log-in somebody reads without a socket: who logs out between two polls is out of the
-- room, though no request is there that could end. Null: of a node that does not tell it yet.
ALTER TABLE formula_readers ADD COLUMN session uuid;
