-- Partitions are made beside the log and then attached: CREATE TABLE … PARTITION OF locks the
-- parent against everybody, so behind one long reader it stopped every append.

CREATE OR REPLACE FUNCTION formula_motion_partitions(ahead integer) RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
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
