-- Who reads a room without a socket, by polls or a stream that any node may serve: their
-- participation lasts while one of these renews the row. The scheduler ends what lapsed.
-- Nothing is indexed by the time, so that a renewal changes no index.
CREATE TABLE formula_readers (
    user_id       uuid NOT NULL,
    connection    uuid NOT NULL,
    room          text NOT NULL,
    participation uuid NOT NULL UNIQUE,
    project       uuid,
    until         timestamptz NOT NULL,
    PRIMARY KEY (user_id, connection, room)
) WITH (fillfactor = 50);
