-- Who asks, closed where nobody said so: seeing all projects is a value of its own, `all`.
-- The API's role is not the schema's owner, so that is no longer what tells the application.

-- They call what is replaced here; whoever keeps them makes them anew within seconds.
DO $$
DECLARE
    made record;
BEGIN
    FOR made IN SELECT relname FROM pg_class WHERE relnamespace = 'analytics'::regnamespace AND relkind = 'v' LOOP
        EXECUTE format('DROP VIEW analytics.%I', made.relname);
    END LOOP;
END $$;
COMMENT ON SCHEMA analytics IS NULL;
DROP FUNCTION analytics.sees_accounts(), analytics.viewer(), analytics.is_owner();

-- Every name is qualified: a log-in of one's own may make temporary tables, which come first.
CREATE FUNCTION analytics.is_app() RETURNS boolean STABLE LANGUAGE sql AS $$
    SELECT coalesce(bool_or(pg_catalog.pg_has_role(session_user, role, 'MEMBER')), false) FROM (
        SELECT relowner FROM pg_catalog.pg_class
        WHERE relnamespace = 'public'::regnamespace AND relname = 'formula_events'
        UNION ALL
        SELECT oid FROM pg_catalog.pg_roles WHERE rolname = 'formula_app'
    ) trusted (role)
$$;
COMMENT ON FUNCTION analytics.is_app() IS 'Whether this session may say who asks: it is the API''s, or the owner''s.';

CREATE FUNCTION analytics.viewer() RETURNS uuid STABLE LANGUAGE sql AS $$
    SELECT nullif(nullif(current_setting('formula.viewer', true), ''), 'all')::uuid
$$;
COMMENT ON FUNCTION analytics.viewer() IS 'The person whose projects are seen; null: there is none.';

-- A login that was granted formula_analyst sees them all, or fewer if it says so.
CREATE FUNCTION analytics.sees_all() RETURNS boolean STABLE LANGUAGE sql AS $$
    SELECT CASE
        WHEN analytics.is_app() THEN coalesce(current_setting('formula.viewer', true), '') = 'all'
        ELSE coalesce(current_setting('formula.viewer', true), '') IN ('', 'all')
            AND pg_catalog.pg_has_role(session_user, 'formula_analyst', 'MEMBER')
    END
$$;
COMMENT ON FUNCTION analytics.sees_all() IS 'Whether all projects are seen.';

CREATE FUNCTION analytics.sees_accounts() RETURNS boolean STABLE LANGUAGE sql AS $$
    SELECT analytics.is_app() AND coalesce(current_setting('formula.accounts', true), '') = 'on'
$$;
COMMENT ON FUNCTION analytics.sees_accounts() IS 'Whether events about accounts are in analytics.events.';

CREATE FUNCTION analytics.sees_people() RETURNS boolean STABLE LANGUAGE sql AS $$
    SELECT analytics.is_app() AND coalesce(current_setting('formula.people', true), '') = 'on'
$$;
COMMENT ON FUNCTION analytics.sees_people() IS 'Whether everybody is in analytics.people, with what they are.';
