-- An upload whose parts the client brings to S3 itself: S3's id of it there.
ALTER TABLE formula_uploads ADD COLUMN direct text;
