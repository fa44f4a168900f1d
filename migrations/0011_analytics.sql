-- Analysts: a schema of views, a role that sees nothing else, and who asks.

CREATE SCHEMA analytics;

-- The role belongs to the whole server, so it may be there already; without the right to make it,
-- queries are refused until it is. Called again whenever the views are made anew: a restored
-- database may have come to a server without it. Returns whether queries can run under it.
CREATE FUNCTION formula_analyst_role() RETURNS boolean LANGUAGE plpgsql AS $$
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
SELECT formula_analyst_role();

CREATE FUNCTION analytics.is_owner() RETURNS boolean STABLE LANGUAGE sql AS $$
    SELECT pg_has_role(session_user, nspowner, 'USAGE')
    FROM pg_catalog.pg_namespace WHERE nspname = 'analytics'
$$;
COMMENT ON FUNCTION analytics.is_owner() IS 'Whether this session is the application''s own.';

-- Whose projects are seen: null is everybody's. The API sets it in its own sessions; a login that
-- was granted the role sees all projects, whatever it sets.
CREATE FUNCTION analytics.viewer() RETURNS uuid STABLE LANGUAGE sql AS $$
    SELECT CASE WHEN analytics.is_owner() THEN nullif(current_setting('formula.viewer', true), '')::uuid END
$$;
COMMENT ON FUNCTION analytics.viewer() IS 'The person whose projects are seen; null: all projects are.';

-- Whether events about accounts are seen, with what they say of people.
CREATE FUNCTION analytics.sees_accounts() RETURNS boolean STABLE LANGUAGE sql AS $$
    SELECT analytics.is_owner() AND coalesce(current_setting('formula.accounts', true), 'on') = 'on'
$$;
COMMENT ON FUNCTION analytics.sees_accounts() IS 'Whether events about accounts are in analytics.events.';

-- One row a project and day, written when the day is over: what later corrections do not change.
CREATE TABLE formula_daily (
    day         date    NOT NULL,
    project     uuid    NOT NULL,
    tasks       integer NOT NULL,
    open        integer NOT NULL,
    in_progress integer NOT NULL,
    done        integer NOT NULL,
    overdue     integer NOT NULL,
    unassigned  integer NOT NULL,
    assignees   integer NOT NULL,
    PRIMARY KEY (day, project)
);
CREATE INDEX formula_daily_project_idx ON formula_daily (project, day);
