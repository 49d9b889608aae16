-- What the hub remembers beside its bare git repositories. Refs, commits and diffs live in git alone.

CREATE TABLE IF NOT EXISTS accounts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  login TEXT NOT NULL UNIQUE COLLATE NOCASE,
  type TEXT NOT NULL CHECK (type IN ('User', 'Organization', 'Bot')),
  name TEXT,
  email TEXT,
  created_at TEXT NOT NULL
);

-- A token is kept as its SHA-256 only.
CREATE TABLE IF NOT EXISTS tokens (
  hash TEXT PRIMARY KEY,
  account_id INTEGER REFERENCES accounts,
  installation_id INTEGER REFERENCES installations,
  permissions TEXT,
  repository_ids TEXT,
  expires_at TEXT,
  created_at TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS repositories (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  owner_id INTEGER NOT NULL REFERENCES accounts,
  name TEXT NOT NULL COLLATE NOCASE,
  description TEXT,
  private INTEGER NOT NULL DEFAULT 0,
  allow_merge_commit INTEGER NOT NULL DEFAULT 1,
  allow_squash_merge INTEGER NOT NULL DEFAULT 1,
  allow_rebase_merge INTEGER NOT NULL DEFAULT 1,
  delete_branch_on_merge INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  pushed_at TEXT NOT NULL,
  UNIQUE (owner_id, name)
);

-- Names that repositories had before; they lead to where those are now.
CREATE TABLE IF NOT EXISTS renames (
  owner_id INTEGER NOT NULL REFERENCES accounts,
  name TEXT NOT NULL COLLATE NOCASE,
  repository_id INTEGER NOT NULL REFERENCES repositories,
  PRIMARY KEY (owner_id, name)
);

CREATE TABLE IF NOT EXISTS collaborators (
  repository_id INTEGER NOT NULL REFERENCES repositories,
  account_id INTEGER NOT NULL REFERENCES accounts,
  role TEXT NOT NULL CHECK (role IN ('read', 'triage', 'write', 'maintain', 'admin')),
  PRIMARY KEY (repository_id, account_id)
);

-- What a branch asks of pull requests before they are merged into it; contexts is a list of names of checks.
CREATE TABLE IF NOT EXISTS protections (
  repository_id INTEGER NOT NULL REFERENCES repositories,
  branch TEXT NOT NULL,
  contexts TEXT NOT NULL,
  has_checks INTEGER NOT NULL,
  strict INTEGER NOT NULL,
  has_reviews INTEGER NOT NULL,
  reviews INTEGER NOT NULL,
  enforce_admins INTEGER NOT NULL,
  PRIMARY KEY (repository_id, branch)
);

CREATE TABLE IF NOT EXISTS apps (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  slug TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  description TEXT,
  external_url TEXT NOT NULL,
  owner_id INTEGER NOT NULL REFERENCES accounts,
  bot_id INTEGER NOT NULL REFERENCES accounts,
  client_id TEXT NOT NULL UNIQUE,
  public_key TEXT NOT NULL,
  webhook_url TEXT,
  webhook_secret TEXT,
  permissions TEXT NOT NULL,
  events TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS manifest_codes (
  code TEXT PRIMARY KEY,
  manifest TEXT NOT NULL,
  owner_id INTEGER NOT NULL REFERENCES accounts,
  created_at TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS installations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  app_id INTEGER NOT NULL REFERENCES apps,
  account_id INTEGER NOT NULL REFERENCES accounts,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (app_id, account_id)
);

-- Where an app was taken off; the hub doesn't install it there again by itself.
CREATE TABLE IF NOT EXISTS uninstalls (
  app_id INTEGER NOT NULL REFERENCES apps,
  account_id INTEGER NOT NULL REFERENCES accounts,
  PRIMARY KEY (app_id, account_id)
);

CREATE TABLE IF NOT EXISTS suspensions (
  installation_id INTEGER PRIMARY KEY REFERENCES installations ON DELETE CASCADE,
  account_id INTEGER NOT NULL REFERENCES accounts,
  suspended_at TEXT NOT NULL
);

-- Repositories that an installation doesn't see; without any it sees all of its account.
CREATE TABLE IF NOT EXISTS withheld (
  installation_id INTEGER NOT NULL REFERENCES installations ON DELETE CASCADE,
  repository_id INTEGER NOT NULL REFERENCES repositories,
  PRIMARY KEY (installation_id, repository_id)
);

-- Issues and pull requests share their numbers; a pull request has a row in both tables.
CREATE TABLE IF NOT EXISTS issues (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository_id INTEGER NOT NULL REFERENCES repositories,
  number INTEGER NOT NULL,
  title TEXT NOT NULL,
  body TEXT,
  state TEXT NOT NULL DEFAULT 'open',
  state_reason TEXT,
  user_id INTEGER NOT NULL REFERENCES accounts,
  app_id INTEGER REFERENCES apps,
  closed_by_id INTEGER REFERENCES accounts,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  closed_at TEXT,
  UNIQUE (repository_id, number)
);
CREATE INDEX IF NOT EXISTS issues_by_state ON issues (repository_id, state);

-- Numbers of deleted issues are not given again.
CREATE TABLE IF NOT EXISTS deleted_issues (
  repository_id INTEGER NOT NULL REFERENCES repositories,
  number INTEGER NOT NULL,
  PRIMARY KEY (repository_id, number)
);

CREATE TABLE IF NOT EXISTS pulls (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  issue_id INTEGER NOT NULL UNIQUE REFERENCES issues,
  repository_id INTEGER NOT NULL REFERENCES repositories,
  head_ref TEXT NOT NULL,
  base_ref TEXT NOT NULL,
  head_sha TEXT NOT NULL,
  base_sha TEXT NOT NULL,
  draft INTEGER NOT NULL DEFAULT 0,
  maintainer_can_modify INTEGER NOT NULL DEFAULT 0,
  merging_sha TEXT,
  merging_by_id INTEGER REFERENCES accounts,
  merge_commit_sha TEXT,
  merged_at TEXT,
  merged_by_id INTEGER REFERENCES accounts
);
CREATE INDEX IF NOT EXISTS pulls_by_repository ON pulls (repository_id, head_ref);

CREATE TABLE IF NOT EXISTS labels (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository_id INTEGER NOT NULL REFERENCES repositories,
  name TEXT NOT NULL COLLATE NOCASE,
  color TEXT NOT NULL,
  description TEXT,
  is_default INTEGER NOT NULL DEFAULT 0,
  UNIQUE (repository_id, name)
);

CREATE TABLE IF NOT EXISTS issue_labels (
  issue_id INTEGER NOT NULL REFERENCES issues,
  label_id INTEGER NOT NULL REFERENCES labels,
  PRIMARY KEY (issue_id, label_id)
);

-- What happened to an issue or pull request: labels set and taken off, closed, reopened. The label is kept by its name.
CREATE TABLE IF NOT EXISTS issue_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  issue_id INTEGER NOT NULL REFERENCES issues,
  user_id INTEGER NOT NULL REFERENCES accounts,
  app_id INTEGER REFERENCES apps,
  event TEXT NOT NULL CHECK (event IN ('labeled', 'unlabeled', 'closed', 'reopened')),
  label_name TEXT,
  label_color TEXT,
  state_reason TEXT,
  created_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS issue_events_by_issue ON issue_events (issue_id);

CREATE TABLE IF NOT EXISTS assignees (
  issue_id INTEGER NOT NULL REFERENCES issues,
  account_id INTEGER NOT NULL REFERENCES accounts,
  PRIMARY KEY (issue_id, account_id)
);

CREATE TABLE IF NOT EXISTS review_requests (
  issue_id INTEGER NOT NULL REFERENCES issues,
  account_id INTEGER NOT NULL REFERENCES accounts,
  PRIMARY KEY (issue_id, account_id)
);

CREATE TABLE IF NOT EXISTS comments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  issue_id INTEGER NOT NULL REFERENCES issues,
  repository_id INTEGER NOT NULL REFERENCES repositories,
  user_id INTEGER NOT NULL REFERENCES accounts,
  app_id INTEGER REFERENCES apps,
  body TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS comments_by_issue ON comments (issue_id);

CREATE TABLE IF NOT EXISTS reactions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  subject TEXT NOT NULL CHECK (subject IN ('issue', 'comment', 'review_comment')),
  subject_id INTEGER NOT NULL,
  user_id INTEGER NOT NULL REFERENCES accounts,
  content TEXT NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (subject, subject_id, user_id, content)
);

CREATE TABLE IF NOT EXISTS reviews (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  issue_id INTEGER NOT NULL REFERENCES issues,
  user_id INTEGER NOT NULL REFERENCES accounts,
  state TEXT NOT NULL,
  body TEXT NOT NULL,
  commit_sha TEXT NOT NULL,
  submitted_at TEXT
);
CREATE INDEX IF NOT EXISTS reviews_by_issue ON reviews (issue_id);

CREATE TABLE IF NOT EXISTS review_comments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  issue_id INTEGER NOT NULL REFERENCES issues,
  repository_id INTEGER NOT NULL REFERENCES repositories,
  review_id INTEGER NOT NULL REFERENCES reviews,
  user_id INTEGER NOT NULL REFERENCES accounts,
  in_reply_to_id INTEGER,
  path TEXT NOT NULL,
  subject_type TEXT NOT NULL,
  side TEXT NOT NULL,
  line INTEGER,
  start_side TEXT,
  start_line INTEGER,
  position INTEGER NOT NULL,
  commit_sha TEXT NOT NULL,
  diff_hunk TEXT NOT NULL,
  body TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS review_comments_by_issue ON review_comments (issue_id);

-- Where a push left a comment: no position, and it is outdated. A comment without a row is where it was written.
CREATE TABLE IF NOT EXISTS review_comment_places (
  comment_id INTEGER PRIMARY KEY REFERENCES review_comments ON DELETE CASCADE,
  commit_sha TEXT NOT NULL,
  line INTEGER,
  start_line INTEGER,
  position INTEGER
);

CREATE TABLE IF NOT EXISTS check_suites (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository_id INTEGER NOT NULL REFERENCES repositories,
  app_id INTEGER NOT NULL REFERENCES apps,
  head_sha TEXT NOT NULL,
  head_branch TEXT,
  before TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (repository_id, head_sha, app_id)
);

CREATE TABLE IF NOT EXISTS check_runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  suite_id INTEGER NOT NULL REFERENCES check_suites,
  repository_id INTEGER NOT NULL REFERENCES repositories,
  app_id INTEGER NOT NULL REFERENCES apps,
  name TEXT NOT NULL,
  head_sha TEXT NOT NULL,
  external_id TEXT NOT NULL DEFAULT '',
  details_url TEXT,
  status TEXT NOT NULL,
  conclusion TEXT,
  started_at TEXT,
  completed_at TEXT,
  title TEXT,
  summary TEXT,
  text TEXT,
  actions TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX IF NOT EXISTS check_runs_by_commit ON check_runs (repository_id, head_sha);
CREATE INDEX IF NOT EXISTS check_runs_by_suite ON check_runs (suite_id);

CREATE TABLE IF NOT EXISTS annotations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL REFERENCES check_runs,
  path TEXT NOT NULL,
  start_line INTEGER NOT NULL,
  end_line INTEGER NOT NULL,
  start_column INTEGER,
  end_column INTEGER,
  annotation_level TEXT NOT NULL,
  title TEXT,
  message TEXT NOT NULL,
  raw_details TEXT
);
CREATE INDEX IF NOT EXISTS annotations_by_run ON annotations (run_id);

CREATE TABLE IF NOT EXISTS statuses (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository_id INTEGER NOT NULL REFERENCES repositories,
  sha TEXT NOT NULL,
  state TEXT NOT NULL,
  context TEXT NOT NULL,
  description TEXT,
  target_url TEXT,
  creator_id INTEGER NOT NULL REFERENCES accounts,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS statuses_by_commit ON statuses (repository_id, sha);

-- One row per attempt; a redelivery is a new row with the same guid. `sent` is 0 until it was tried.
CREATE TABLE IF NOT EXISTS deliveries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  guid TEXT NOT NULL,
  app_id INTEGER NOT NULL REFERENCES apps,
  installation_id INTEGER,
  repository_id INTEGER,
  event TEXT NOT NULL,
  action TEXT,
  url TEXT,
  payload TEXT NOT NULL,
  redelivery INTEGER NOT NULL DEFAULT 0,
  sent INTEGER NOT NULL DEFAULT 0,
  status TEXT NOT NULL DEFAULT 'pending',
  status_code INTEGER NOT NULL DEFAULT 0,
  duration REAL NOT NULL DEFAULT 0,
  request_headers TEXT NOT NULL DEFAULT '{}',
  response_headers TEXT NOT NULL DEFAULT '{}',
  response_body TEXT,
  delivered_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS deliveries_waiting ON deliveries (sent) WHERE sent = 0;
CREATE INDEX IF NOT EXISTS deliveries_by_guid ON deliveries (guid);
