-- The append again, several times faster: most batches meet no conflict, so they are inserted by
-- one statement that checks everything; and motion goes by a function of its own.

-- When the newest event was recorded, in microseconds. A sequence, since it costs no row version.
CREATE SEQUENCE formula_events_clock;

-- The time of what is appended now: never before what was appended earlier. For whoever holds the
-- append's lock, or the stock recorder's.
CREATE FUNCTION formula_stamp() RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
    stamp timestamptz := greatest(clock_timestamp(),
        to_timestamp(pg_sequence_last_value('formula_events_clock') / 1e6));
BEGIN
    IF setval('formula_events_clock', (extract(epoch FROM stamp) * 1e6)::bigint) > 0 THEN
        RETURN stamp;
    END IF;
END $$;
SELECT setval('formula_events_clock', (extract(epoch FROM greatest(
    (SELECT e.recorded_at FROM formula_events e ORDER BY e.notification_id DESC LIMIT 1),
    (SELECT m.recorded_at FROM formula_motion_events m ORDER BY m.position DESC LIMIT 1),
    'epoch'::timestamptz + interval '1 second')) * 1e6)::bigint);
ALTER TABLE formula_events ALTER COLUMN recorded_at SET DEFAULT formula_stamp();

-- `count` positions that follow one another; the first of them. Under the append's lock.
CREATE FUNCTION formula_draw(count integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT setval('formula_events_notification_id_seq',
        nextval('formula_events_notification_id_seq') + count - 1) - count + 1
$$;

-- Waits for the one append at a time that there is, until the end of the transaction. Held through
-- the fsync, so that positions become visible in their order. Not LOCK TABLE alone: that waits
-- behind VACUUM. But also a table lock: a stock recorder's EXCLUSIVE lock must exclude us as
-- well, and the other way round.
CREATE FUNCTION formula_lock_log() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(5014001);
    LOCK TABLE formula_events IN ROW EXCLUSIVE MODE;
END $$;

DROP FUNCTION formula_append;

-- A stream that a command of a batch (counted from 1) appends `size` events to, or guards (none).
-- expected, of the stream's version: n >= 0 exactly n, -1 anything, -2 that it exists.
CREATE TYPE formula_check AS (command integer, stream uuid, expected bigint, size integer);

-- An event on its way into the log: the nth for its check (counted from 1). Its command's first
-- event carries the command's id and number of events.
CREATE TYPE formula_new_event AS (
    check_n integer, nth integer, stream uuid, topic text, state bytea, metadata bytea,
    command_id uuid, command_size integer
);

-- One batch of commands, in one transaction of the caller's, who sees to it that a stream belongs
-- to one command of the batch, or to single-check commands that expect anything. `exact` says that
-- every check expects an exact version.
--
-- outcomes, one for each command: 0 stored, 1 the id was stored before, 2 a check failed. Whole
-- commands are skipped, never parts. bases, one for each check: the version before its events.
-- Both are null when everything was stored where it was expected. The n-th event's position is
-- first_position + n - 1.
CREATE FUNCTION formula_append(
    exact boolean, commands uuid[], checks formula_check[], events formula_new_event[],
    OUT outcomes smallint[], OUT bases bigint[], OUT first_position bigint, OUT stamp timestamptz
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    judged boolean := NOT exact;
BEGIN
    PERFORM formula_lock_log();
    stamp := formula_stamp();
    first_position := formula_draw(cardinality(events));
    LOOP
        IF judged THEN
            SELECT j.outcomes, j.bases INTO outcomes, bases FROM formula_judge(commands, checks) j;
        END IF;
        INSERT INTO formula_events (originator_id, originator_version, topic, state,
            notification_id, metadata, command_id, command_size, recorded_at)
        SELECT e.stream, e.nth + CASE WHEN judged THEN bases[e.check_n]
                ELSE checks[e.check_n].expected END,
            e.topic, e.state, first_position + e.n - 1, e.metadata,
            e.command_id, e.command_size, stamp
        FROM unnest(events) WITH ORDINALITY
            e(check_n, nth, stream, topic, state, metadata, command_id, command_size, n)
        WHERE CASE WHEN judged THEN outcomes[checks[e.check_n].command] = 0
            ELSE NOT EXISTS (
                    SELECT FROM unnest(checks) c WHERE c.expected <> coalesce((
                        SELECT e.originator_version FROM formula_events e
                        WHERE e.originator_id = c.stream
                        ORDER BY e.originator_version DESC LIMIT 1), 0))
                AND NOT EXISTS (
                    SELECT FROM formula_events e WHERE e.command_id = ANY (commands))
            END;
        EXIT WHEN FOUND OR judged;
        judged := true;
    END LOOP;
    IF FOUND THEN
        PERFORM pg_notify('formula_events', '');
    END IF;
END $$;

-- What becomes of each command, and from which version each check's events count.
--
-- The id comes before the versions: a repeated command must hear "stored", not "conflict". Where
-- commands share a stream, the later ones build on what the earlier ones store.
CREATE FUNCTION formula_judge(
    commands uuid[], checks formula_check[], OUT outcomes smallint[], OUT bases bigint[]
) LANGUAGE sql AS $$
    WITH checked AS (
        SELECT k.n, k.command, k.stream, k.size, k.expected, coalesce((
                SELECT e.originator_version FROM formula_events e WHERE e.originator_id = k.stream
                ORDER BY e.originator_version DESC LIMIT 1), 0) AS head
        FROM unnest(checks) WITH ORDINALITY k(command, stream, expected, size, n)
    ), failed AS (
        SELECT DISTINCT k.command FROM checked k
        WHERE CASE k.expected WHEN -1 THEN false WHEN -2 THEN k.head = 0
            ELSE k.head <> k.expected END
    ), judged AS (
        SELECT c.n AS command, CASE
            -- not EXISTS: that may be hashed, and then reads the whole log
            WHEN (SELECT true FROM formula_events e WHERE e.command_id = c.id) THEN 1
            WHEN f.command IS NOT NULL THEN 2
            ELSE 0 END AS outcome
        FROM unnest(commands) WITH ORDINALITY c(id, n) LEFT JOIN failed f ON f.command = c.n
    )
    SELECT (SELECT array_agg(j.outcome ORDER BY j.command) FROM judged j),
        (SELECT array_agg(b.base ORDER BY b.n) FROM (
            SELECT k.n, k.head + coalesce(sum(CASE j.outcome WHEN 0 THEN k.size END) OVER (
                PARTITION BY k.stream ORDER BY k.n
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::bigint AS base
            FROM checked k JOIN judged j ON j.command = k.command) b)
$$;

-- Motion facts, in the transaction of whoever calls; the n-th fact's position is the answer + n - 1.
CREATE FUNCTION formula_append_motion(
    participations uuid[], actors uuid[], projects uuid[], tags text[], states bytea[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    stamp timestamptz;
    first_position bigint;
BEGIN
    PERFORM formula_lock_log();
    stamp := formula_stamp();
    first_position := formula_draw(cardinality(tags));
    INSERT INTO formula_motion_events
        (position, participation, actor, project, tag, state, recorded_at)
    SELECT first_position + m.n - 1, m.participation, m.actor, m.project, m.tag, m.state, stamp
    FROM unnest(participations, actors, projects, tags, states)
        WITH ORDINALITY m(participation, actor, project, tag, state, n);
    PERFORM pg_notify('formula_events', '');
    RETURN first_position;
END $$;

-- What a stock `eventsourcing` recorder (9.5) needs to write, and would make by its own DDL.
CREATE TYPE stored_event_uuid AS (
    originator_id uuid, originator_version bigint, topic text, state bytea
);
