-- What is on its way in: quotas count it, and resumable uploads go on with it.
CREATE TABLE formula_uploads (
    id         uuid PRIMARY KEY,
    project    uuid NOT NULL,
    person     uuid NOT NULL,
    length     bigint NOT NULL,              -- bytes that it may come to
    position   bigint,                       -- of the event that it became, once it is all there
    made_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,         -- whoever brings it is gone by then
    -- Of a resumable one:
    file       uuid,                         -- that it becomes, or gets a version of
    name       text,
    metadata   text,                         -- as the client said it
    received   bigint NOT NULL DEFAULT 0,    -- bytes in `parts`
    parts      text[] NOT NULL DEFAULT '{}', -- keys of blobs, in order
    ending     timestamptz,                  -- until then somebody puts the parts together
    direct     text                          -- S3's id of it, where the client brings the parts there
);
CREATE INDEX formula_uploads_project_idx ON formula_uploads (project);
CREATE INDEX formula_uploads_person_idx ON formula_uploads (person);
CREATE INDEX formula_uploads_expires_at_idx ON formula_uploads (expires_at);
