-- Conversations with specialists: projections of the journal.
CREATE TABLE conversations (
    id BIGINT PRIMARY KEY,
    node TEXT NOT NULL,
    -- The incident that it is about, where it is about one.
    incident BIGINT,
    doc TEXT NOT NULL
);
CREATE INDEX conversations_by_incident ON conversations (incident, id);

-- Tasks that a conversation is about, or that came of it.
CREATE TABLE conversation_tasks (
    task BIGINT NOT NULL,
    conversation BIGINT NOT NULL,
    PRIMARY KEY (task, conversation)
);

CREATE TABLE messages (
    conversation BIGINT NOT NULL,
    -- Its place in there, from 1.
    number BIGINT NOT NULL,
    kind TEXT NOT NULL,
    doc TEXT NOT NULL,
    PRIMARY KEY (conversation, number)
);
