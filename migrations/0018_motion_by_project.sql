-- What is looked for in motion is one project's: without this a replay reads everybody's. Of a log
-- with much motion it takes a while, and motion waits for it; durable events do not.
CREATE INDEX formula_motion_events_project_idx ON formula_motion_events (project, position);
