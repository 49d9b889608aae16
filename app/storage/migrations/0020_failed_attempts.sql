-- What checkpoints said of an attempt that failed, and that made no commit: by round and attempt of its task.

ALTER TABLE test_results ALTER COLUMN commit_sha DROP NOT NULL;
ALTER TABLE test_results ADD COLUMN round integer;  -- null where a commit was judged
ALTER TABLE test_results ADD CHECK ((commit_sha IS NULL) = (round IS NOT NULL));
CREATE UNIQUE INDEX test_results_of_attempt ON test_results (task_id, round, attempt, checkpoint)
    WHERE commit_sha IS NULL;
