-- Calls of language models: a projection of the journal.
CREATE TABLE model_calls (
    -- The call's entry in the journal.
    id INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    at INTEGER NOT NULL,
    incident INTEGER,
    cost INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX model_calls_by_incident ON model_calls (incident, id);
CREATE INDEX model_calls_by_time ON model_calls (node, at);

-- What was sent to models and what came back, by its SHA-256 in hexadecimal, which stands in the journal. Kept for a while only.
CREATE TABLE model_texts (
    hash TEXT PRIMARY KEY,
    kept_at INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX model_texts_by_time ON model_texts (kept_at);
