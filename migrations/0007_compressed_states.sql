-- States may be zlib streams (RFC 1950); the log as people read it shows them all the same. Postgres
-- has no inflate of its own to call, so here is one (RFC 1951). A state is 256 KiB at the most.

-- The next symbol of a canonical Huffman code (RFC 1951, 3.2.2) at bit `at`, and the bit behind it.
-- counts[n + 1]: how many codes have n bits; symbols: in the order of their codes.
CREATE FUNCTION formula_inflate_symbol(
    packed bytea, at integer, counts integer[], symbols integer[],
    OUT symbol integer, OUT next integer
) LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
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

-- `count` bits at bit `at` as a number, the lowest first.
CREATE FUNCTION formula_inflate_bits(packed bytea, at integer, count integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(sum(get_bit(packed, at + n) << n), 0)::integer
    FROM generate_series(0, count - 1) n
$$;

-- counts and symbols of the Huffman code in which symbol n has lengths[n + 1] bits, 0 for none.
CREATE FUNCTION formula_inflate_code(
    lengths integer[], OUT counts integer[], OUT symbols integer[]
) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (SELECT array_agg((SELECT count(*)::integer FROM unnest(lengths) l(bits)
                    WHERE l.bits = n AND n > 0) ORDER BY n) FROM generate_series(0, 15) n),
        (SELECT array_agg(l.n::integer - 1 ORDER BY l.bits, l.n)
            FROM unnest(lengths) WITH ORDINALITY l(bits, n) WHERE l.bits > 0)
$$;

-- The code lengths of a block with a dynamic code, those of literals before those of distances.
CREATE FUNCTION formula_inflate_lengths(
    packed bytea, at integer,
    OUT literals integer[], OUT distances integer[], OUT next integer
) LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
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

-- What a zlib stream holds. Its checksum is not looked at.
CREATE FUNCTION formula_inflate(packed bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
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

-- A stored state as JSON: it starts with "{", a zlib stream with 0x78.
CREATE FUNCTION formula_json(state bytea) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT convert_from(CASE WHEN get_byte(state, 0) = 120 THEN formula_inflate(state) ELSE state END,
        'UTF8')::jsonb
$$;

CREATE OR REPLACE VIEW formula_log AS
    SELECT notification_id AS position, originator_id AS stream, originator_version AS version,
        topic AS tag, formula_json(state) AS data,
        convert_from(metadata, 'UTF8')::jsonb AS metadata, recorded_at
    FROM formula_events
    UNION ALL
    SELECT position, participation, 0, tag, formula_json(state),
        jsonb_strip_nulls(jsonb_build_object('actor', actor, 'project_id', project)), recorded_at
    FROM formula_motion_events;
