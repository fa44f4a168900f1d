CREATE SCHEMA analytics;

CREATE TYPE public.formula_check AS (
	command integer,
	stream uuid,
	expected bigint,
	size integer
);

CREATE TYPE public.formula_new_event AS (
	check_n integer,
	nth integer,
	stream uuid,
	topic text,
	state bytea,
	metadata bytea,
	command_id uuid,
	command_size integer
);

CREATE TYPE public.stored_event_uuid AS (
	originator_id uuid,
	originator_version bigint,
	topic text,
	state bytea
);

CREATE FUNCTION analytics.is_app() RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    SELECT coalesce(bool_or(pg_catalog.pg_has_role(session_user, role, 'MEMBER')), false) FROM (
        SELECT relowner FROM pg_catalog.pg_class
        WHERE relnamespace = 'public'::regnamespace AND relname = 'formula_events'
        UNION ALL
        SELECT oid FROM pg_catalog.pg_roles WHERE rolname = 'formula_app'
    ) trusted (role)
$$;

COMMENT ON FUNCTION analytics.is_app() IS 'Whether this session may say who asks: it is the API''s, or the owner''s.';

CREATE FUNCTION analytics.sees_accounts() RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    SELECT analytics.is_app() AND coalesce(current_setting('formula.accounts', true), '') = 'on'
$$;

COMMENT ON FUNCTION analytics.sees_accounts() IS 'Whether events about accounts are in analytics.events.';

CREATE FUNCTION analytics.sees_all() RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    SELECT CASE
        WHEN analytics.is_app() THEN coalesce(current_setting('formula.viewer', true), '') = 'all'
        ELSE coalesce(current_setting('formula.viewer', true), '') IN ('', 'all')
            AND pg_catalog.pg_has_role(session_user, 'formula_analyst', 'MEMBER')
    END
$$;

COMMENT ON FUNCTION analytics.sees_all() IS 'Whether all projects are seen.';

CREATE FUNCTION analytics.sees_people() RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    SELECT analytics.is_app() AND coalesce(current_setting('formula.people', true), '') = 'on'
$$;

COMMENT ON FUNCTION analytics.sees_people() IS 'Whether everybody is in analytics.people, with what they are.';

CREATE FUNCTION analytics.viewer() RETURNS uuid
    LANGUAGE sql STABLE
    AS $$
    SELECT nullif(nullif(current_setting('formula.viewer', true), ''), 'all')::uuid
$$;

COMMENT ON FUNCTION analytics.viewer() IS 'The person whose projects are seen; null: there is none.';

CREATE FUNCTION public.formula_add_buckets(total bigint[], more bigint[]) RETURNS bigint[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
BEGIN
    IF more IS NULL THEN
        RETURN total;
    END IF;
    IF total IS NULL THEN
        RETURN more;
    END IF;
    FOR i IN 1 .. cardinality(more) LOOP
        total[i] := coalesce(total[i], 0) + more[i];
    END LOOP;
    RETURN total;
END $$;

CREATE FUNCTION public.formula_advance(consumer text, from_position bigint, to_position bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE formula_checkpoints SET position = to_position, updated_at = clock_timestamp()
    WHERE name = consumer AND position = from_position;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'checkpoint of % is no longer at %', consumer, from_position
            USING ERRCODE = 'FM001';
    END IF;
END $$;

CREATE FUNCTION public.formula_advance_slice(generation text, part integer, from_position bigint, to_position bigint, mine boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.formula_analyst_role() RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'formula_analyst') THEN
        CREATE ROLE formula_analyst NOLOGIN;
    END IF;
    IF NOT pg_has_role(current_user, 'formula_analyst', 'SET') THEN
        EXECUTE format('GRANT formula_analyst TO %I', current_user);
    END IF;
    RETURN true;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE WARNING 'queries of analysts need a role; as a superuser: CREATE ROLE formula_analyst NOLOGIN; GRANT formula_analyst TO %', current_user;
        RETURN false;
    WHEN duplicate_object OR unique_violation THEN  -- another database's migration was first
        RETURN pg_has_role(current_user, 'formula_analyst', 'SET');
END $$;

CREATE FUNCTION public.formula_append(exact boolean, commands uuid[], checks public.formula_check[], events public.formula_new_event[], OUT outcomes smallint[], OUT bases bigint[], OUT first_position bigint, OUT stamp timestamp with time zone) RETURNS record
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.formula_append_motion(participations uuid[], actors uuid[], projects uuid[], tags text[], states bytea[]) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.formula_draw(count integer) RETURNS bigint
    LANGUAGE sql
    AS $$
    SELECT setval('formula_events_notification_id_seq',
        nextval('formula_events_notification_id_seq') + count - 1) - count + 1
$$;

CREATE FUNCTION public.formula_inflate(packed bytea) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
DECLARE
    length_bases CONSTANT integer[] := '{3,4,5,6,7,8,9,10,11,13,15,17,19,23,27,31,35,43,51,59,67,83,99,115,131,163,195,227,258}';
    length_bits CONSTANT integer[] := '{0,0,0,0,0,0,0,0,1,1,1,1,2,2,2,2,3,3,3,3,4,4,4,4,5,5,5,5,0}';
    distance_bases CONSTANT integer[] := '{1,2,3,4,5,7,9,13,17,25,33,49,65,97,129,193,257,385,513,769,1025,1537,2049,3073,4097,6145,8193,12289,16385,24577}';
    distance_bits CONSTANT integer[] := '{0,0,0,0,1,1,2,2,3,3,4,4,5,5,6,6,7,7,8,8,9,9,10,10,11,11,12,12,13,13}';
    plain integer[] := '{}';
    filled integer := 0;
    at integer := 16;  -- behind the header of two bytes
    final boolean := false;
    kind integer;
    lengths record;
    literal record;
    distance record;
    found record;
    run integer;
    back integer;
BEGIN
    WHILE NOT final LOOP
        final := get_bit(packed, at) = 1;
        kind := formula_inflate_bits(packed, at + 1, 2);
        at := at + 3;
        IF kind = 0 THEN  -- stored: from the next byte on, after its length and that inverted
            at := (at + 7) / 8;
            run := get_byte(packed, at) + 256 * get_byte(packed, at + 1);
            FOR n IN 1 .. run LOOP
                plain[filled + n] := get_byte(packed, at + 3 + n);
            END LOOP;
            filled := filled + run;
            at := 8 * (at + 4 + run);
            CONTINUE;
        ELSIF kind = 1 THEN
            literal := formula_inflate_code(array_fill(8, '{144}') || array_fill(9, '{112}')
                || array_fill(7, '{24}') || array_fill(8, '{8}'));
            distance := formula_inflate_code(array_fill(5, '{30}'));
        ELSE
            lengths := formula_inflate_lengths(packed, at);
            literal := formula_inflate_code(lengths.literals);
            distance := formula_inflate_code(lengths.distances);
            at := lengths.next;
        END IF;
        LOOP
            found := formula_inflate_symbol(packed, at, literal.counts, literal.symbols);
            at := found.next;
            EXIT WHEN found.symbol = 256;
            IF found.symbol < 256 THEN
                filled := filled + 1;
                plain[filled] := found.symbol;
                CONTINUE;
            END IF;
            run := length_bases[found.symbol - 256] + formula_inflate_bits(
                packed, at, length_bits[found.symbol - 256]);
            at := at + length_bits[found.symbol - 256];
            found := formula_inflate_symbol(packed, at, distance.counts, distance.symbols);
            at := found.next;
            back := distance_bases[found.symbol + 1] + formula_inflate_bits(
                packed, at, distance_bits[found.symbol + 1]);
            at := at + distance_bits[found.symbol + 1];
            FOR n IN 1 .. run LOOP
                plain[filled + n] := plain[filled + n - back];
            END LOOP;
            filled := filled + run;
        END LOOP;
    END LOOP;
    RETURN decode((SELECT coalesce(string_agg(lpad(to_hex(b), 2, '0'), '' ORDER BY n), '')
        FROM unnest(plain) WITH ORDINALITY p(b, n)), 'hex');
END $$;

CREATE FUNCTION public.formula_inflate_bits(packed bytea, at integer, count integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT coalesce(sum(get_bit(packed, at + n) << n), 0)::integer
    FROM generate_series(0, count - 1) n
$$;

CREATE FUNCTION public.formula_inflate_code(lengths integer[], OUT counts integer[], OUT symbols integer[]) RETURNS record
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT (SELECT array_agg((SELECT count(*)::integer FROM unnest(lengths) l(bits)
                    WHERE l.bits = n AND n > 0) ORDER BY n) FROM generate_series(0, 15) n),
        (SELECT array_agg(l.n::integer - 1 ORDER BY l.bits, l.n)
            FROM unnest(lengths) WITH ORDINALITY l(bits, n) WHERE l.bits > 0)
$$;

CREATE FUNCTION public.formula_inflate_lengths(packed bytea, at integer, OUT literals integer[], OUT distances integer[], OUT next integer) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
DECLARE
    literal_count CONSTANT integer := 257 + formula_inflate_bits(packed, at, 5);
    distance_count CONSTANT integer := 1 + formula_inflate_bits(packed, at + 5, 5);
    code_count CONSTANT integer := 4 + formula_inflate_bits(packed, at + 10, 4);
    places CONSTANT integer[] := '{16,17,18,0,8,7,9,6,10,5,11,4,12,3,13,2,14,1,15}';
    lengths integer[] := array_fill(0, '{19}');
    code record;
    found record;
    bits integer;
BEGIN
    FOR n IN 1 .. code_count LOOP
        lengths[places[n] + 1] := formula_inflate_bits(packed, at + 11 + 3 * n, 3);
    END LOOP;
    code := formula_inflate_code(lengths);
    next := at + 14 + 3 * code_count;
    lengths := '{}';
    WHILE cardinality(lengths) < literal_count + distance_count LOOP
        found := formula_inflate_symbol(packed, next, code.counts, code.symbols);
        next := found.next;
        IF found.symbol < 16 THEN
            lengths := lengths || found.symbol;
        ELSE
            bits := (ARRAY[2, 3, 7])[found.symbol - 15];
            lengths := lengths || array_fill(
                CASE found.symbol WHEN 16 THEN lengths[cardinality(lengths)] ELSE 0 END,
                ARRAY[(ARRAY[3, 3, 11])[found.symbol - 15]
                    + formula_inflate_bits(packed, next, bits)]);
            next := next + bits;
        END IF;
    END LOOP;
    literals := lengths[:literal_count];
    distances := lengths[literal_count + 1:];
END $$;

CREATE FUNCTION public.formula_inflate_symbol(packed bytea, at integer, counts integer[], symbols integer[], OUT symbol integer, OUT next integer) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    AS $$
DECLARE
    code integer := 0;    -- the bits so far
    first integer := 0;   -- the first code of this length
    before integer := 0;  -- how many codes are shorter
BEGIN
    next := at;
    FOR length IN 1 .. 15 LOOP
        code := code + get_bit(packed, next);
        next := next + 1;
        IF code - first < counts[length + 1] THEN
            symbol := symbols[before + code - first + 1];
            RETURN;
        END IF;
        before := before + counts[length + 1];
        first := (first + counts[length + 1]) << 1;
        code := code << 1;
    END LOOP;
    RAISE EXCEPTION 'not a zlib stream: no such code at bit %', at;
END $$;

CREATE FUNCTION public.formula_json(state bytea) RETURNS jsonb
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
    SELECT convert_from(CASE WHEN get_byte(state, 0) = 120 THEN formula_inflate(state) ELSE state END,
        'UTF8')::jsonb
$$;

CREATE FUNCTION public.formula_judge(commands uuid[], checks public.formula_check[], OUT outcomes smallint[], OUT bases bigint[]) RETURNS record
    LANGUAGE sql
    AS $$
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

CREATE FUNCTION public.formula_lock_log() RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(5014001);
    LOCK TABLE formula_events IN ROW EXCLUSIVE MODE;
END $$;

CREATE FUNCTION public.formula_motion_partitions(ahead integer) RETURNS integer
    LANGUAGE plpgsql
    SET lock_timeout TO '2s'
    AS $$
DECLARE
    width CONSTANT bigint := 1000000;
    head bigint := (SELECT last_value FROM formula_events_notification_id_seq);
    made integer := 0;
    partition text;
BEGIN
    -- What ATTACH takes anyway: readers and appends go on, a second maker waits.
    LOCK TABLE formula_motion_events IN SHARE UPDATE EXCLUSIVE MODE;
    FOR slot IN head / width .. head / width + ahead LOOP
        partition := format('formula_motion_events_%s', lpad(slot::text, 8, '0'));
        IF to_regclass(partition) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE formula_motion_events INCLUDING ALL)', partition);
            EXECUTE format(
                'ALTER TABLE formula_motion_events ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                partition, slot * width, (slot + 1) * width);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;

CREATE FUNCTION public.formula_stamp() RETURNS timestamp with time zone
    LANGUAGE plpgsql
    AS $$
DECLARE
    stamp timestamptz := greatest(clock_timestamp(),
        to_timestamp(pg_sequence_last_value('formula_events_clock') / 1e6));
BEGIN
    IF setval('formula_events_clock', (extract(epoch FROM stamp) * 1e6)::bigint) > 0 THEN
        RETURN stamp;
    END IF;
END $$;

CREATE AGGREGATE public.formula_sum_buckets(bigint[]) (
    SFUNC = public.formula_add_buckets,
    STYPE = bigint[]
);

CREATE TABLE public.formula_api_keys (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    hash bytea NOT NULL,
    used_at timestamp with time zone
);

CREATE TABLE public.formula_checkpoints (
    name text NOT NULL,
    "position" bigint DEFAULT 0 NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.formula_credentials (
    user_id uuid NOT NULL,
    hash text NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.formula_daily (
    day date NOT NULL,
    project uuid NOT NULL,
    tasks integer NOT NULL,
    open integer NOT NULL,
    in_progress integer NOT NULL,
    done integer NOT NULL,
    overdue integer NOT NULL,
    unassigned integer NOT NULL,
    assignees integer NOT NULL
);

CREATE TABLE public.formula_dead_letters (
    projection text NOT NULL,
    "position" bigint NOT NULL,
    stream uuid NOT NULL,
    error text,
    parked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    generation text NOT NULL,
    attempts integer DEFAULT 1 NOT NULL,
    asked text,
    CONSTRAINT formula_dead_letters_asked_check CHECK ((asked = ANY (ARRAY['retry'::text, 'skip'::text])))
);

CREATE TABLE public.formula_epoch (
    only_row boolean DEFAULT true NOT NULL,
    salt uuid DEFAULT gen_random_uuid() NOT NULL,
    CONSTRAINT formula_epoch_only_row_check CHECK (only_row)
);

CREATE TABLE public.formula_events (
    originator_id uuid NOT NULL,
    originator_version bigint NOT NULL,
    topic text,
    state bytea,
    notification_id bigint NOT NULL,
    metadata bytea,
    command_id uuid,
    command_size integer,
    recorded_at timestamp with time zone DEFAULT public.formula_stamp() NOT NULL
);

CREATE SEQUENCE public.formula_events_clock
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE SEQUENCE public.formula_events_notification_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE public.formula_events_notification_id_seq OWNED BY public.formula_events.notification_id;

CREATE TABLE public.formula_generations (
    projection text NOT NULL,
    schema text NOT NULL,
    version integer NOT NULL,
    state text NOT NULL,
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    target bigint DEFAULT 0 NOT NULL,
    asked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    stopped boolean DEFAULT false NOT NULL,
    instead_of integer DEFAULT 0 NOT NULL,
    began bigint DEFAULT 0 NOT NULL
);

CREATE TABLE public.formula_job_log (
    job uuid NOT NULL,
    id bigint NOT NULL,
    attempt integer NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    level text NOT NULL,
    line text NOT NULL
);

ALTER TABLE public.formula_job_log ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.formula_job_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.formula_job_needs (
    needs uuid NOT NULL,
    job uuid NOT NULL,
    anyway boolean NOT NULL
);

CREATE TABLE public.formula_jobs (
    id uuid NOT NULL,
    queue text NOT NULL,
    name text NOT NULL,
    consumer text NOT NULL,
    "position" bigint NOT NULL,
    key text NOT NULL,
    args jsonb NOT NULL,
    correlation_id uuid,
    state text DEFAULT 'queued'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    max_attempts integer NOT NULL,
    run_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    worker uuid,
    lease_until timestamp with time zone,
    error text,
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    owner uuid,
    progress real,
    priority smallint DEFAULT 5 NOT NULL,
    singleton text,
    needs integer DEFAULT 0 NOT NULL,
    needed boolean DEFAULT false NOT NULL,
    batch uuid,
    asked boolean DEFAULT false NOT NULL,
    result jsonb,
    span bigint
);

CREATE TABLE public.formula_keyframes (
    project uuid NOT NULL,
    fingerprint text NOT NULL,
    "position" bigint NOT NULL,
    state bytea NOT NULL
);

CREATE TABLE public.formula_keys (
    kid text NOT NULL,
    public bytea NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    signs_from timestamp with time zone NOT NULL,
    retired_at timestamp with time zone
);

CREATE TABLE public.formula_motion_events (
    "position" bigint NOT NULL,
    participation uuid NOT NULL,
    actor uuid,
    project uuid,
    tag text NOT NULL,
    state bytea NOT NULL,
    recorded_at timestamp with time zone NOT NULL
)
PARTITION BY RANGE ("position");

CREATE VIEW public.formula_log AS
 SELECT formula_events.notification_id AS "position",
    formula_events.originator_id AS stream,
    formula_events.originator_version AS version,
    formula_events.topic AS tag,
    public.formula_json(formula_events.state) AS data,
    (convert_from(formula_events.metadata, 'UTF8'::name))::jsonb AS metadata,
    formula_events.recorded_at
   FROM public.formula_events
UNION ALL
 SELECT formula_motion_events."position",
    formula_motion_events.participation AS stream,
    0 AS version,
    formula_motion_events.tag,
    public.formula_json(formula_motion_events.state) AS data,
    jsonb_strip_nulls(jsonb_build_object('actor', formula_motion_events.actor, 'project_id', formula_motion_events.project)) AS metadata,
    formula_motion_events.recorded_at
   FROM public.formula_motion_events;

CREATE TABLE public.formula_log_levels (
    logger text NOT NULL,
    level text NOT NULL,
    until timestamp with time zone NOT NULL
);

CREATE TABLE public.formula_migrations (
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.formula_nodes (
    node uuid NOT NULL,
    role text NOT NULL,
    name text NOT NULL,
    pid integer NOT NULL,
    state text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    seen_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.formula_project_days (
    day date NOT NULL,
    project uuid NOT NULL,
    events bigint NOT NULL,
    people integer NOT NULL,
    comments integer NOT NULL,
    created integer NOT NULL,
    completed integer NOT NULL,
    cycle_p50_hours double precision,
    cycle_p90_hours double precision,
    locks integer NOT NULL,
    locked_seconds double precision NOT NULL
);

CREATE TABLE public.formula_pruned (
    projection text NOT NULL,
    "position" bigint NOT NULL
);

CREATE TABLE public.formula_queues (
    name text NOT NULL,
    paused_at timestamp with time zone,
    paused_by uuid,
    reason text DEFAULT ''::text NOT NULL
);

CREATE TABLE public.formula_readers (
    user_id uuid NOT NULL,
    connection uuid NOT NULL,
    room text NOT NULL,
    participation uuid NOT NULL,
    project uuid,
    until timestamp with time zone NOT NULL,
    session uuid
)
WITH (fillfactor='50');

CREATE TABLE public.formula_refresh_tokens (
    token_hash bytea NOT NULL,
    family uuid NOT NULL,
    user_id uuid NOT NULL,
    issued_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    address text DEFAULT ''::text NOT NULL,
    user_agent text DEFAULT ''::text NOT NULL
);

CREATE TABLE public.formula_rollups_1d (
    at timestamp with time zone CONSTRAINT formula_rollups_1m_at_not_null NOT NULL,
    role text CONSTRAINT formula_rollups_1m_role_not_null NOT NULL,
    metric text CONSTRAINT formula_rollups_1m_metric_not_null NOT NULL,
    labels text CONSTRAINT formula_rollups_1m_labels_not_null NOT NULL,
    samples bigint CONSTRAINT formula_rollups_1m_samples_not_null NOT NULL,
    sum double precision CONSTRAINT formula_rollups_1m_sum_not_null NOT NULL,
    min double precision CONSTRAINT formula_rollups_1m_min_not_null NOT NULL,
    max double precision CONSTRAINT formula_rollups_1m_max_not_null NOT NULL,
    last double precision CONSTRAINT formula_rollups_1m_last_not_null NOT NULL,
    count bigint,
    buckets bigint[]
)
PARTITION BY RANGE (at);

CREATE TABLE public.formula_rollups_1h (
    at timestamp with time zone CONSTRAINT formula_rollups_1m_at_not_null NOT NULL,
    role text CONSTRAINT formula_rollups_1m_role_not_null NOT NULL,
    metric text CONSTRAINT formula_rollups_1m_metric_not_null NOT NULL,
    labels text CONSTRAINT formula_rollups_1m_labels_not_null NOT NULL,
    samples bigint CONSTRAINT formula_rollups_1m_samples_not_null NOT NULL,
    sum double precision CONSTRAINT formula_rollups_1m_sum_not_null NOT NULL,
    min double precision CONSTRAINT formula_rollups_1m_min_not_null NOT NULL,
    max double precision CONSTRAINT formula_rollups_1m_max_not_null NOT NULL,
    last double precision CONSTRAINT formula_rollups_1m_last_not_null NOT NULL,
    count bigint,
    buckets bigint[]
)
PARTITION BY RANGE (at);

CREATE TABLE public.formula_rollups_1m (
    at timestamp with time zone NOT NULL,
    role text NOT NULL,
    metric text NOT NULL,
    labels text NOT NULL,
    samples bigint NOT NULL,
    sum double precision NOT NULL,
    min double precision NOT NULL,
    max double precision NOT NULL,
    last double precision NOT NULL,
    count bigint,
    buckets bigint[]
)
PARTITION BY RANGE (at);

CREATE TABLE public.formula_samples (
    at timestamp with time zone NOT NULL,
    node uuid NOT NULL,
    role text NOT NULL,
    metric text NOT NULL,
    labels text NOT NULL,
    value double precision NOT NULL,
    count bigint,
    buckets bigint[]
)
PARTITION BY RANGE (at);

CREATE TABLE public.formula_schedules (
    name text NOT NULL,
    seen_at timestamp with time zone NOT NULL
);

CREATE TABLE public.formula_skipped_events (
    projection text NOT NULL,
    "position" bigint NOT NULL
);

CREATE TABLE public.formula_slices (
    schema text NOT NULL,
    slice integer NOT NULL,
    "position" bigint DEFAULT 0 NOT NULL
);

CREATE TABLE public.formula_snapshots (
    stream uuid NOT NULL,
    fingerprint text NOT NULL,
    version bigint NOT NULL,
    state bytea NOT NULL,
    taken_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.formula_system_days (
    day date NOT NULL,
    events bigint NOT NULL,
    people integer NOT NULL,
    by_type jsonb NOT NULL,
    jobs jsonb NOT NULL
);

CREATE TABLE public.formula_uploads (
    id uuid NOT NULL,
    project uuid NOT NULL,
    person uuid NOT NULL,
    length bigint NOT NULL,
    "position" bigint,
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    file uuid,
    name text,
    metadata text,
    received bigint DEFAULT 0 NOT NULL,
    parts text[] DEFAULT '{}'::text[] NOT NULL,
    ending timestamp with time zone,
    direct text
);

ALTER TABLE ONLY public.formula_events ALTER COLUMN notification_id SET DEFAULT nextval('public.formula_events_notification_id_seq'::regclass);

ALTER TABLE ONLY public.formula_api_keys
    ADD CONSTRAINT formula_api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.formula_checkpoints
    ADD CONSTRAINT formula_checkpoints_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.formula_credentials
    ADD CONSTRAINT formula_credentials_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.formula_daily
    ADD CONSTRAINT formula_daily_pkey PRIMARY KEY (day, project);

ALTER TABLE ONLY public.formula_dead_letters
    ADD CONSTRAINT formula_dead_letters_pkey PRIMARY KEY (generation, "position");

ALTER TABLE ONLY public.formula_epoch
    ADD CONSTRAINT formula_epoch_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.formula_events
    ADD CONSTRAINT formula_events_pkey PRIMARY KEY (originator_id, originator_version);

ALTER TABLE ONLY public.formula_generations
    ADD CONSTRAINT formula_generations_pkey PRIMARY KEY (projection, schema);

ALTER TABLE ONLY public.formula_generations
    ADD CONSTRAINT formula_generations_schema_key UNIQUE (schema);

ALTER TABLE ONLY public.formula_job_log
    ADD CONSTRAINT formula_job_log_pkey PRIMARY KEY (job, id);

ALTER TABLE ONLY public.formula_job_needs
    ADD CONSTRAINT formula_job_needs_pkey PRIMARY KEY (needs, job);

ALTER TABLE ONLY public.formula_jobs
    ADD CONSTRAINT formula_jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.formula_keyframes
    ADD CONSTRAINT formula_keyframes_pkey PRIMARY KEY (project, fingerprint, "position");

ALTER TABLE ONLY public.formula_keys
    ADD CONSTRAINT formula_keys_pkey PRIMARY KEY (kid);

ALTER TABLE ONLY public.formula_log_levels
    ADD CONSTRAINT formula_log_levels_pkey PRIMARY KEY (logger);

ALTER TABLE ONLY public.formula_migrations
    ADD CONSTRAINT formula_migrations_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.formula_motion_events
    ADD CONSTRAINT formula_motion_events_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY public.formula_nodes
    ADD CONSTRAINT formula_nodes_pkey PRIMARY KEY (node);

ALTER TABLE ONLY public.formula_project_days
    ADD CONSTRAINT formula_project_days_pkey PRIMARY KEY (day, project);

ALTER TABLE ONLY public.formula_pruned
    ADD CONSTRAINT formula_pruned_pkey PRIMARY KEY (projection);

ALTER TABLE ONLY public.formula_queues
    ADD CONSTRAINT formula_queues_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.formula_readers
    ADD CONSTRAINT formula_readers_participation_key UNIQUE (participation);

ALTER TABLE ONLY public.formula_readers
    ADD CONSTRAINT formula_readers_pkey PRIMARY KEY (user_id, connection, room);

ALTER TABLE ONLY public.formula_refresh_tokens
    ADD CONSTRAINT formula_refresh_tokens_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY public.formula_rollups_1d
    ADD CONSTRAINT formula_rollups_1d_pkey PRIMARY KEY (metric, at, role, labels);

ALTER TABLE ONLY public.formula_rollups_1h
    ADD CONSTRAINT formula_rollups_1h_pkey PRIMARY KEY (metric, at, role, labels);

ALTER TABLE ONLY public.formula_rollups_1m
    ADD CONSTRAINT formula_rollups_1m_pkey PRIMARY KEY (metric, at, role, labels);

ALTER TABLE ONLY public.formula_schedules
    ADD CONSTRAINT formula_schedules_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.formula_skipped_events
    ADD CONSTRAINT formula_skipped_events_pkey PRIMARY KEY (projection, "position");

ALTER TABLE ONLY public.formula_slices
    ADD CONSTRAINT formula_slices_pkey PRIMARY KEY (schema, slice);

ALTER TABLE ONLY public.formula_snapshots
    ADD CONSTRAINT formula_snapshots_pkey PRIMARY KEY (stream);

ALTER TABLE ONLY public.formula_system_days
    ADD CONSTRAINT formula_system_days_pkey PRIMARY KEY (day);

ALTER TABLE ONLY public.formula_uploads
    ADD CONSTRAINT formula_uploads_pkey PRIMARY KEY (id);

CREATE INDEX formula_api_keys_user_idx ON public.formula_api_keys USING btree (user_id);

CREATE INDEX formula_daily_project_idx ON public.formula_daily USING btree (project, day);

CREATE INDEX formula_dead_letters_stream_idx ON public.formula_dead_letters USING btree (projection, stream);

CREATE UNIQUE INDEX formula_events_command_id_idx ON public.formula_events USING btree (command_id) WHERE (command_id IS NOT NULL);

CREATE UNIQUE INDEX formula_events_notification_id_idx ON public.formula_events USING btree (notification_id);

CREATE UNIQUE INDEX formula_generations_serving_idx ON public.formula_generations USING btree (projection) WHERE (state = 'serving'::text);

CREATE INDEX formula_job_needs_job_idx ON public.formula_job_needs USING btree (job);

CREATE INDEX formula_jobs_asked_idx ON public.formula_jobs USING btree (owner, made_at DESC, id DESC) WHERE asked;

CREATE INDEX formula_jobs_batch_idx ON public.formula_jobs USING btree (batch) WHERE (batch IS NOT NULL);

CREATE INDEX formula_jobs_ended_idx ON public.formula_jobs USING btree (queue, state, finished_at);

CREATE INDEX formula_jobs_leased_idx ON public.formula_jobs USING btree (lease_until) WHERE (state = 'running'::text);

CREATE INDEX formula_jobs_listed_idx ON public.formula_jobs USING btree (made_at DESC, id DESC);

CREATE UNIQUE INDEX formula_jobs_singleton_idx ON public.formula_jobs USING btree (name, singleton) WHERE ((singleton IS NOT NULL) AND (state = ANY (ARRAY['blocked'::text, 'queued'::text, 'running'::text])));

CREATE INDEX formula_jobs_waiting_idx ON public.formula_jobs USING btree (queue, priority, run_at) WHERE (state = 'queued'::text);

CREATE INDEX formula_motion_events_project_idx ON ONLY public.formula_motion_events USING btree (project, "position");

CREATE INDEX formula_nodes_role_idx ON public.formula_nodes USING btree (role, seen_at);

CREATE INDEX formula_project_days_project_idx ON public.formula_project_days USING btree (project, day);

CREATE INDEX formula_refresh_tokens_family_idx ON public.formula_refresh_tokens USING btree (family);

CREATE INDEX formula_refresh_tokens_user_idx ON public.formula_refresh_tokens USING btree (user_id);

CREATE INDEX formula_rollups_1m_at_idx ON ONLY public.formula_rollups_1m USING btree (at);

CREATE INDEX formula_samples_at_idx ON ONLY public.formula_samples USING btree (at);

CREATE INDEX formula_samples_metric_at_idx ON ONLY public.formula_samples USING btree (metric, at);

CREATE INDEX formula_uploads_expires_at_idx ON public.formula_uploads USING btree (expires_at);

CREATE INDEX formula_uploads_person_idx ON public.formula_uploads USING btree (person);

CREATE INDEX formula_uploads_project_idx ON public.formula_uploads USING btree (project);

ALTER TABLE ONLY public.formula_slices
    ADD CONSTRAINT formula_slices_schema_fkey FOREIGN KEY (schema) REFERENCES public.formula_generations(schema) ON DELETE CASCADE;
