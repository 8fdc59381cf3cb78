-- Calls know the conversation that they were made for. Those from before know none.
ALTER TABLE model_calls ADD COLUMN conversation INTEGER;
CREATE INDEX model_calls_by_conversation ON model_calls (conversation, id);
