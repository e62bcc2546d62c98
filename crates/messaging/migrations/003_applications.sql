-- What the submitter wants to be told of the end: NULL or 0 nothing, 1 any end, 2 failure, 3 success (SMPP 3.4 section
-- 5.2.17). encoding gets more values: from 256 on the body is octets as they came, with their data_coding in the low
-- byte and 512 where they begin with a user data header.
ALTER TABLE messages ADD COLUMN tell BIGINT;

-- What is to be told to applications and not yet taken by them: kind 0 the end of a message, 1 a message from a handset.
-- subject is the row of the message. One row for each, so that a repeated receipt tells nothing twice.
CREATE TABLE deliveries (
    recipient TEXT NOT NULL,
    kind BIGINT NOT NULL,
    subject BIGINT NOT NULL,
    state BIGINT,
    at BIGINT NOT NULL,
    PRIMARY KEY (recipient, kind, subject)
);

-- Which process tells an application; epoch is that of messaging_owners.
CREATE TABLE delivery_leases (
    recipient TEXT NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL
);
