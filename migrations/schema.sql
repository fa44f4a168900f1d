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

CREATE FUNCTION public.formula_append(command_ids uuid[], command_metadata bytea[], check_commands integer[], check_streams uuid[], check_versions bigint[], event_checks integer[], event_topics text[], event_states bytea[], motion_participations uuid[], motion_actors uuid[], motion_projects uuid[], motion_tags text[], motion_states bytea[], OUT outcomes smallint[], OUT positions bigint[], OUT versions bigint[], OUT motion_positions bigint[], OUT recorded_at timestamp with time zone) RETURNS record
    LANGUAGE plpgsql
    AS $$
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

CREATE TABLE public.formula_dead_letters (
    projection text NOT NULL,
    "position" bigint NOT NULL,
    stream uuid NOT NULL,
    error text,
    parked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
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
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

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
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
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
    hinted_at timestamp with time zone,
    worker uuid,
    lease_until timestamp with time zone,
    error text,
    made_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone
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
    (convert_from(formula_events.state, 'UTF8'::name))::jsonb AS data,
    (convert_from(formula_events.metadata, 'UTF8'::name))::jsonb AS metadata,
    formula_events.recorded_at
   FROM public.formula_events
UNION ALL
 SELECT formula_motion_events."position",
    formula_motion_events.participation AS stream,
    0 AS version,
    formula_motion_events.tag,
    (convert_from(formula_motion_events.state, 'UTF8'::name))::jsonb AS data,
    jsonb_strip_nulls(jsonb_build_object('actor', formula_motion_events.actor, 'project_id', formula_motion_events.project)) AS metadata,
    formula_motion_events.recorded_at
   FROM public.formula_motion_events;

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

CREATE TABLE public.formula_refresh_tokens (
    token_hash bytea NOT NULL,
    family uuid NOT NULL,
    user_id uuid NOT NULL,
    issued_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    revoked_at timestamp with time zone
);

ALTER TABLE ONLY public.formula_events ALTER COLUMN notification_id SET DEFAULT nextval('public.formula_events_notification_id_seq'::regclass);

ALTER TABLE ONLY public.formula_checkpoints
    ADD CONSTRAINT formula_checkpoints_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.formula_credentials
    ADD CONSTRAINT formula_credentials_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.formula_dead_letters
    ADD CONSTRAINT formula_dead_letters_pkey PRIMARY KEY (projection, "position");

ALTER TABLE ONLY public.formula_epoch
    ADD CONSTRAINT formula_epoch_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.formula_events
    ADD CONSTRAINT formula_events_pkey PRIMARY KEY (originator_id, originator_version);

ALTER TABLE ONLY public.formula_generations
    ADD CONSTRAINT formula_generations_pkey PRIMARY KEY (projection, schema);

ALTER TABLE ONLY public.formula_generations
    ADD CONSTRAINT formula_generations_schema_key UNIQUE (schema);

ALTER TABLE ONLY public.formula_jobs
    ADD CONSTRAINT formula_jobs_consumer_position_name_key_key UNIQUE (consumer, "position", name, key);

ALTER TABLE ONLY public.formula_jobs
    ADD CONSTRAINT formula_jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.formula_migrations
    ADD CONSTRAINT formula_migrations_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.formula_motion_events
    ADD CONSTRAINT formula_motion_events_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY public.formula_nodes
    ADD CONSTRAINT formula_nodes_pkey PRIMARY KEY (node);

ALTER TABLE ONLY public.formula_refresh_tokens
    ADD CONSTRAINT formula_refresh_tokens_pkey PRIMARY KEY (token_hash);

CREATE INDEX formula_dead_letters_stream_idx ON public.formula_dead_letters USING btree (projection, stream);

CREATE UNIQUE INDEX formula_events_command_id_idx ON public.formula_events USING btree (command_id) WHERE (command_id IS NOT NULL);

CREATE UNIQUE INDEX formula_events_notification_id_idx ON public.formula_events USING btree (notification_id);

CREATE UNIQUE INDEX formula_generations_serving_idx ON public.formula_generations USING btree (projection) WHERE (state = 'serving'::text);

CREATE INDEX formula_jobs_counted_idx ON public.formula_jobs USING btree (queue, state);

CREATE INDEX formula_jobs_leased_idx ON public.formula_jobs USING btree (lease_until) WHERE (state = 'running'::text);

CREATE INDEX formula_jobs_listed_idx ON public.formula_jobs USING btree (made_at DESC, id DESC);

CREATE INDEX formula_jobs_waiting_idx ON public.formula_jobs USING btree (queue, hinted_at NULLS FIRST, run_at) WHERE (state = 'queued'::text);

CREATE INDEX formula_nodes_role_idx ON public.formula_nodes USING btree (role, seen_at);

CREATE INDEX formula_refresh_tokens_family_idx ON public.formula_refresh_tokens USING btree (family);

CREATE INDEX formula_refresh_tokens_user_idx ON public.formula_refresh_tokens USING btree (user_id);
