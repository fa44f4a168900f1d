-- What every process measures of itself, and one of the servers (role 'cluster'): as it comes, and
-- rolled up. Partitions are made and dropped by infra/monitoring/partitions.py.
--
-- Gauges are written as they are; counters and histograms as what came since the last sample: so
-- any rows add up, of however many processes, however often those began anew.
CREATE TABLE formula_samples (
    at      timestamptz      NOT NULL,
    node    uuid             NOT NULL,
    role    text             NOT NULL,
    metric  text             NOT NULL,
    labels  text             NOT NULL,  -- 'a=b,c=d', by name
    value   double precision NOT NULL,  -- of a histogram: the sum
    count   bigint,                     -- of a histogram
    buckets bigint[]                    -- of a histogram: how many in each, by infra.metrics.SECONDS
) PARTITION BY RANGE (at);
CREATE INDEX formula_samples_metric_at_idx ON formula_samples (metric, at);
CREATE INDEX formula_samples_at_idx ON formula_samples (at);

CREATE TABLE formula_rollups_1m (
    at      timestamptz      NOT NULL,  -- when it begins
    role    text             NOT NULL,
    metric  text             NOT NULL,
    labels  text             NOT NULL,
    samples bigint           NOT NULL,
    sum     double precision NOT NULL,
    min     double precision NOT NULL,
    max     double precision NOT NULL,
    last    double precision NOT NULL,  -- the newest of each node, added up
    count   bigint,
    buckets bigint[],
    PRIMARY KEY (metric, at, role, labels)
) PARTITION BY RANGE (at);
CREATE INDEX formula_rollups_1m_at_idx ON formula_rollups_1m (at);
CREATE TABLE formula_rollups_1h (LIKE formula_rollups_1m, PRIMARY KEY (metric, at, role, labels))
    PARTITION BY RANGE (at);
CREATE TABLE formula_rollups_1d (LIKE formula_rollups_1m, PRIMARY KEY (metric, at, role, labels))
    PARTITION BY RANGE (at);

CREATE FUNCTION formula_add_buckets(total bigint[], more bigint[]) RETURNS bigint[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
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

CREATE AGGREGATE formula_sum_buckets(bigint[]) (SFUNC = formula_add_buckets, STYPE = bigint[]);
