-- Projects as they were at some position, so that a replay folds the events from there on: a cache.

CREATE TABLE formula_keyframes (
    project     uuid   NOT NULL,
    fingerprint text   NOT NULL,           -- of the log and of the code that folded it
    position    bigint NOT NULL,
    state       bytea  NOT NULL,
    PRIMARY KEY (project, fingerprint, position)
);
