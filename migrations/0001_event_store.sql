-- The log: two tables, one sequence, one function that appends to both.

-- The first five columns are the `eventsourcing` library's (9.5), so that its recorder and
-- runner can read and write this table; the others have defaults for the same reason.
CREATE TABLE formula_events (
    originator_id      uuid        NOT NULL,
    originator_version bigint      NOT NULL,
    topic              text,
    state              bytea,
    notification_id    bigserial,
    metadata           bytea,
    command_id         uuid,       -- on a command's first event only
    command_size       integer,    -- events of that command, on its first event only
    recorded_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (originator_id, originator_version)
);
CREATE UNIQUE INDEX formula_events_notification_id_idx ON formula_events (notification_id);
CREATE UNIQUE INDEX formula_events_command_id_idx ON formula_events (command_id)
    WHERE command_id IS NOT NULL;

-- Cursor, typing and the like: facts that nothing is decided on. Positions come from the same
-- sequence. No default partition: a row in it would block the making of the next partition.
CREATE TABLE formula_motion_events (
    position      bigint      NOT NULL PRIMARY KEY,
    participation uuid        NOT NULL,
    actor         uuid,
    project       uuid,
    tag           text        NOT NULL,
    state         bytea       NOT NULL,
    recorded_at   timestamptz NOT NULL
) PARTITION BY RANGE (position);

-- Partitions of 1,000,000 positions, `ahead` of them beyond the log's head. Returns how many it made.
CREATE FUNCTION formula_motion_partitions(ahead integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    width CONSTANT bigint := 1000000;
    head bigint := (SELECT last_value FROM formula_events_notification_id_seq);
    made integer := 0;
    partition text;
BEGIN
    FOR slot IN head / width .. head / width + ahead LOOP
        partition := format('formula_motion_events_%s', lpad(slot::text, 8, '0'));
        IF to_regclass(partition) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF formula_motion_events FOR VALUES FROM (%s) TO (%s)',
                partition, slot * width, (slot + 1) * width);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;
SELECT formula_motion_partitions(8);

-- One batch of commands and motion facts, in one transaction of the caller's.
--
-- Commands are numbered from 1 by their place in command_ids. A check names a stream and what
-- is expected of its version: n >= 0 exactly n, -1 anything, -2 that it exists. Events name
-- the check of the stream that they go to; a check without events is a guard. The caller sees
-- to it that a stream belongs to one command of the batch, or to `any` appends alone.
-- outcomes: 0 stored, 1 the command id was stored before, 2 a check failed; whole commands are
-- skipped, never parts. positions and versions: of the stored events, in order.
CREATE FUNCTION formula_append(
    command_ids uuid[], command_metadata bytea[],
    check_commands integer[], check_streams uuid[], check_versions bigint[],
    event_checks integer[], event_topics text[], event_states bytea[],
    motion_participations uuid[], motion_actors uuid[], motion_projects uuid[],
    motion_tags text[], motion_states bytea[],
    OUT outcomes smallint[], OUT positions bigint[], OUT versions bigint[],
    OUT motion_positions bigint[], OUT recorded_at timestamptz
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    heads bigint[];
    stamp timestamptz;
BEGIN
    -- Held until after the fsync, so that positions become visible in their order. Not LOCK
    -- TABLE alone: that waits behind VACUUM. But also a table lock: a stock recorder's
    -- EXCLUSIVE lock must exclude us as well, and the other way round.
    PERFORM pg_advisory_xact_lock(5014001);
    LOCK TABLE formula_events IN ROW EXCLUSIVE MODE;

    stamp := greatest(clock_timestamp(),
        (SELECT e.recorded_at FROM formula_events e ORDER BY e.notification_id DESC LIMIT 1),
        (SELECT m.recorded_at FROM formula_motion_events m ORDER BY m.position DESC LIMIT 1));

    SELECT array_agg(coalesce(head.version, 0) ORDER BY c.n) INTO heads
    FROM unnest(check_streams) WITH ORDINALITY c(stream, n)
    LEFT JOIN LATERAL (
        SELECT e.originator_version AS version FROM formula_events e
        WHERE e.originator_id = c.stream ORDER BY e.originator_version DESC LIMIT 1
    ) head ON true;

    -- The id comes before the versions: a repeated command must hear "stored", not "conflict".
    SELECT array_agg(CASE
               WHEN EXISTS (SELECT FROM formula_events e WHERE e.command_id = c.id) THEN 1
               WHEN failed.command IS NOT NULL THEN 2
               ELSE 0 END ORDER BY c.n) INTO outcomes
    FROM unnest(command_ids) WITH ORDINALITY c(id, n)
    LEFT JOIN (
        SELECT DISTINCT k.command
        FROM unnest(check_commands, check_versions, heads) k(command, expected, head)
        WHERE CASE k.expected WHEN -1 THEN false WHEN -2 THEN k.head = 0
              ELSE k.head <> k.expected END
    ) failed ON failed.command = c.n;

    WITH stored AS (
        INSERT INTO formula_events (originator_id, originator_version, topic, state,
            notification_id, metadata, command_id, command_size, recorded_at)
        SELECT o.stream, o.version, o.topic, o.state,
            nextval('formula_events_notification_id_seq'), o.metadata,
            CASE WHEN o.nth = 1 THEN o.id END, CASE WHEN o.nth = 1 THEN o.size END, stamp
        FROM (
            SELECT k.stream, e.topic, e.state, c.id, c.metadata,
                k.head + row_number() OVER (PARTITION BY k.stream ORDER BY e.n) AS version,
                row_number() OVER (PARTITION BY c.n ORDER BY e.n) AS nth,
                count(*) OVER (PARTITION BY c.n) AS size
            FROM unnest(event_checks, event_topics, event_states)
                WITH ORDINALITY e(k, topic, state, n)
            JOIN unnest(check_commands, check_streams, heads)
                WITH ORDINALITY k(command, stream, head, n) ON k.n = e.k
            JOIN unnest(command_ids, command_metadata, outcomes)
                WITH ORDINALITY c(id, metadata, outcome, n) ON c.n = k.command
            WHERE c.outcome = 0
            ORDER BY e.n
        ) o
        RETURNING notification_id, originator_version
    )
    SELECT array_agg(s.notification_id ORDER BY s.notification_id),
        array_agg(s.originator_version ORDER BY s.notification_id)
    INTO positions, versions FROM stored s;

    IF motion_tags <> '{}' THEN
        WITH stored AS (
            INSERT INTO formula_motion_events
                (position, participation, actor, project, tag, state, recorded_at)
            SELECT nextval('formula_events_notification_id_seq'), m.participation, m.actor,
                m.project, m.tag, m.state, stamp
            FROM (
                SELECT * FROM unnest(motion_participations, motion_actors, motion_projects,
                    motion_tags, motion_states)
                    WITH ORDINALITY m(participation, actor, project, tag, state, n)
                ORDER BY m.n
            ) m
            RETURNING position
        )
        SELECT array_agg(s.position ORDER BY s.position) INTO motion_positions FROM stored s;
    END IF;

    IF positions IS NOT NULL OR motion_positions IS NOT NULL THEN
        PERFORM pg_notify('formula_events', '');
    END IF;
    recorded_at := stamp;
END $$;

-- The log as people read it: both tables in one, payloads as jsonb.
CREATE VIEW formula_log AS
    SELECT notification_id AS position, originator_id AS stream, originator_version AS version,
        topic AS tag, convert_from(state, 'UTF8')::jsonb AS data,
        convert_from(metadata, 'UTF8')::jsonb AS metadata, recorded_at
    FROM formula_events
    UNION ALL
    SELECT position, participation, 0, tag, convert_from(state, 'UTF8')::jsonb,
        jsonb_strip_nulls(jsonb_build_object('actor', actor, 'project_id', project)), recorded_at
    FROM formula_motion_events;

-- A salt that changes when the log is replaced (an import): part of the epoch clients hold.
CREATE TABLE formula_epoch (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    salt     uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO formula_epoch DEFAULT VALUES;
