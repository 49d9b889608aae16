-- What happened in a project, numbered in the order in which it was committed; and projects asked for by HTTP.

-- The number of a project's last event. Its row is locked from the numbering to the end of the commit, so numbers have
-- no gaps and nobody sees a number before all lower ones: a reader who has seen n has missed nothing up to n.
CREATE TABLE event_counters (
    project_id uuid PRIMARY KEY REFERENCES projects ON DELETE CASCADE,
    last bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE events (
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    number bigint NOT NULL,
    kind text NOT NULL,
    data jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, number)
);

-- Deferred to the commit, where the counter is the last thing that a transaction locks: no two can wait for each other.
CREATE FUNCTION record_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    whole CONSTANT jsonb := to_jsonb(NEW);
    project CONSTANT uuid := whole ->> TG_ARGV[1];
    shown jsonb;
    assigned bigint;
BEGIN
    SELECT jsonb_object_agg(key, value) INTO shown
    FROM jsonb_each(whole) WHERE key = ANY (string_to_array(TG_ARGV[2], ' '));
    INSERT INTO event_counters AS counter (project_id, last)
    SELECT id, 1 FROM projects WHERE id = project  -- it may have gone within the transaction
    ON CONFLICT (project_id) DO UPDATE SET last = counter.last + 1
    RETURNING last INTO assigned;
    IF assigned IS NOT NULL THEN
        INSERT INTO events (project_id, number, kind, data) VALUES (project, assigned, TG_ARGV[0], shown);
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER project_begun AFTER INSERT ON projects DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION record_event('project', 'id', 'id title status phase reason pull_request rounds finished_at');
CREATE CONSTRAINT TRIGGER project_moved AFTER UPDATE ON projects DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.title, OLD.status, OLD.phase, OLD.reason, OLD.pull_request, OLD.rounds, OLD.finished_at, OLD.requirements,
           OLD.notes, OLD.review, OLD.head_sha)
        IS DISTINCT FROM
          (NEW.title, NEW.status, NEW.phase, NEW.reason, NEW.pull_request, NEW.rounds, NEW.finished_at, NEW.requirements,
           NEW.notes, NEW.review, NEW.head_sha))
    EXECUTE FUNCTION record_event('project', 'id', 'id title status phase reason pull_request rounds finished_at');

CREATE CONSTRAINT TRIGGER task_made AFTER INSERT ON tasks DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION record_event('task', 'project_id', 'id key title assigned_agent status round attempts');
CREATE CONSTRAINT TRIGGER task_moved AFTER UPDATE ON tasks DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION record_event('task', 'project_id', 'id key title assigned_agent status round attempts');

CREATE CONSTRAINT TRIGGER message_sent AFTER INSERT ON agent_messages DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION record_event('message', 'correlation_id', 'id sender recipient message_type subject handled_at');
CREATE CONSTRAINT TRIGGER message_handled AFTER UPDATE ON agent_messages DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.handled_at IS DISTINCT FROM NEW.handled_at)
    EXECUTE FUNCTION record_event('message', 'correlation_id', 'id sender recipient message_type subject handled_at');

CREATE CONSTRAINT TRIGGER check_said AFTER INSERT OR UPDATE ON test_results DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION record_event('check', 'project_id', 'id task_id attempt commit_sha checkpoint conclusion title');

CREATE CONSTRAINT TRIGGER error_happened AFTER INSERT ON agent_errors DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION record_event('failure', 'project_id', 'id task_id agent error_type message retry_count');

CREATE CONSTRAINT TRIGGER call_changed AFTER INSERT OR UPDATE ON token_usage DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION record_event('call', 'project_id',
                                  'id task_id role step attempt model status usd input_tokens output_tokens seconds');

CREATE CONSTRAINT TRIGGER effect_done AFTER UPDATE ON effects DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.outcome IS NULL AND NEW.outcome IS NOT NULL)
    EXECUTE FUNCTION record_event('effect', 'project_id', 'key outcome');

CREATE CONSTRAINT TRIGGER memory_kept AFTER INSERT ON working_memory DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION record_event('memory', 'project_id', 'id kind');

CREATE CONSTRAINT TRIGGER memory_used AFTER INSERT OR UPDATE ON memory_uses DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION record_event('memory', 'project_id', 'memory_id task_id round agent cited');

CREATE INDEX projects_newest ON projects (created_at DESC, id DESC);

-- A project that was asked for by HTTP, until the webhook of the issue that is opened for it adopts it under its id.
CREATE TABLE requests (
    id uuid PRIMARY KEY,
    idempotency_key text UNIQUE,
    repository text NOT NULL,
    title text NOT NULL,
    text text NOT NULL,
    requested_by text NOT NULL,  -- a login, or '' for whoever has the token
    created_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 0,
    intended_at timestamptz,  -- an issue may have been opened since
    issue_number integer,
    adopted_at timestamptz,
    refused text  -- why no issue can be opened, in a sentence
);
CREATE INDEX requests_due ON requests (due_at) WHERE issue_number IS NULL AND refused IS NULL;
CREATE INDEX requests_waiting ON requests (created_at) WHERE adopted_at IS NULL;
