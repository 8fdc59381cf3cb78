-- Conversations with specialists: projections of the journal.
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    -- The incident that it is about, where it is about one.
    incident INTEGER,
    doc TEXT NOT NULL
) STRICT;
CREATE INDEX conversations_by_incident ON conversations (incident, id);

-- Tasks that a conversation is about, or that came of it.
CREATE TABLE conversation_tasks (
    task INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    PRIMARY KEY (task, conversation)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
    conversation INTEGER NOT NULL,
    -- Its place in there, from 1.
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (conversation, number)
) STRICT;
