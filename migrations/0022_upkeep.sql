-- Up to which position a read model's rows may be gone, since they were kept for long enough: a
-- check does not miss them. What is built anew has them again, until they are pruned there.
CREATE TABLE formula_pruned (
    projection text   PRIMARY KEY,
    position   bigint NOT NULL
);

-- What was done on a day, in each project and in all: written when the day is over, and kept.
CREATE TABLE formula_project_days (
    day             date    NOT NULL,
    project         uuid    NOT NULL,
    events          bigint  NOT NULL,
    people          integer NOT NULL,
    comments        integer NOT NULL,
    created         integer NOT NULL,
    completed       integer NOT NULL,
    cycle_p50_hours double precision,
    cycle_p90_hours double precision,
    locks           integer NOT NULL,
    locked_seconds  double precision NOT NULL,
    PRIMARY KEY (day, project)
);
CREATE INDEX formula_project_days_project_idx ON formula_project_days (project, day);

CREATE TABLE formula_system_days (
    day     date    PRIMARY KEY,
    events  bigint  NOT NULL,
    people  integer NOT NULL,
    by_type jsonb   NOT NULL,  -- events, by their tag
    jobs    jsonb   NOT NULL   -- that ended, by queue and state
);
