-- What became of messages that somebody above listens to (tell 4), one row for each step in its order, until it is told.
-- kind 0: message is a row of messages and state its new state; 1: message is a row of inbound_messages.
-- postgres: CREATE SEQUENCE message_news_ids;
CREATE TABLE message_news (
-- postgres: id BIGINT PRIMARY KEY DEFAULT nextval('message_news_ids'),
-- sqlite: id BIGINT PRIMARY KEY AUTOINCREMENT,
  kind BIGINT NOT NULL,
  message BIGINT NOT NULL,
  state BIGINT NOT NULL,
  at BIGINT NOT NULL
);

-- Where the steps of a message are told, when it said so itself: sealed as its text is.
CREATE TABLE message_callbacks (
  message BIGINT PRIMARY KEY,
  url TEXT NOT NULL
);
