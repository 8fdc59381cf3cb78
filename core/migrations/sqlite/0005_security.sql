-- Where security stood after each reading, and each day: a projection of the journal.
CREATE TABLE security_summaries (
    -- The entry in the journal.
    id INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX security_summaries_by_time ON security_summaries (node, kind, at);

-- What readings need to know of readings before them (which ports are learned, what is known of each image), by a name. Beside the journal.
CREATE TABLE kept_documents (
    node TEXT NOT NULL,
    name TEXT NOT NULL,
    kept_at INTEGER NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (node, name)
) STRICT, WITHOUT ROWID;
