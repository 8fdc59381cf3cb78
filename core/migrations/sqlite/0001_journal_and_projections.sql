-- The journal: append-only, hash-chained. Times are microseconds since 1970, events JSON.
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;

-- Numbers that are given out once.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('ids', 0), ('probes', 0);

-- Everything below, up to the metric history, is a projection of the journal and can be made anew from it.

CREATE TABLE nodes (
    node TEXT PRIMARY KEY,
    last_entry_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE incidents (
    id INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    resource TEXT NOT NULL,
    severity TEXT NOT NULL,
    phase TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    resolved_at INTEGER,
    resolution TEXT,
    -- Since when it has been active without a break; absent while it is over.
    active_since INTEGER,
    -- Sum of its active times that have ended, microseconds.
    active_time INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX incidents_by_resource ON incidents (resource, id);
CREATE INDEX incidents_by_end ON incidents (resolved_at);

CREATE TABLE incident_totals (
    node TEXT NOT NULL,
    problem TEXT NOT NULL,
    severity TEXT NOT NULL,
    opened INTEGER NOT NULL,
    PRIMARY KEY (node, problem, severity)
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    id INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    status TEXT NOT NULL,
    resource TEXT NOT NULL,
    incident INTEGER,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX tasks_by_status ON tasks (status, id);
CREATE INDEX tasks_by_resource ON tasks (resource, id);
CREATE INDEX tasks_by_incident ON tasks (incident, id);

CREATE TABLE actions (
    -- The journal entry that first told of it.
    seq INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    task INTEGER NOT NULL,
    step INTEGER NOT NULL,
    undo INTEGER NOT NULL,
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    problem TEXT,
    intended_at INTEGER NOT NULL,
    concluded_at INTEGER,
    result TEXT
) STRICT;
CREATE INDEX actions_by_task ON actions (task, step, undo);
CREATE INDEX actions_by_resource ON actions (resource);
CREATE INDEX actions_by_time ON actions (intended_at);

CREATE TABLE remedies (
    problem TEXT NOT NULL,
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    successes_here INTEGER NOT NULL,
    failures_here INTEGER NOT NULL,
    failures_in_a_row_here INTEGER NOT NULL,
    PRIMARY KEY (problem, action, resource)
) STRICT, WITHOUT ROWID;

CREATE TABLE resources (
    resource TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    health TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The metric history. Times are seconds since 1970. `resolution` is the length of a point's time, in seconds.

CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    resource TEXT NOT NULL,
    -- Position in the contract's list of metrics.
    metric INTEGER NOT NULL,
    -- The last day with a reading.
    seen INTEGER NOT NULL,
    UNIQUE (resource, metric)
) STRICT;

-- Rows of one block of time lie together, within it those of one series: so a reading of all series at one time touches few pages,
-- a read of one series over a long time touches few too, and what has become too old is one range.
CREATE TABLE points (
    resolution INTEGER NOT NULL,
    block INTEGER NOT NULL,
    series INTEGER NOT NULL,
    at INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    lowest REAL NOT NULL,
    highest REAL NOT NULL,
    total REAL NOT NULL,
    PRIMARY KEY (resolution, block, series, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE metric_marks (
    resolution INTEGER PRIMARY KEY,
    -- Until when the points of this resolution have been summed up from the finer ones.
    summed_until INTEGER NOT NULL,
    -- Points before this time may have been removed.
    kept_from INTEGER NOT NULL
) STRICT;
INSERT INTO metric_marks (resolution, summed_until, kept_from) VALUES (60, 0, 0), (600, 0, 0), (7200, 0, 0);
