-- In what coding a text from a handset came, as SMPP's data_coding; NULL for those of before.
ALTER TABLE inbound_messages ADD COLUMN coding BIGINT;

-- Where the person was for whom an application sent a message, when it said so: an address on the internet, sealed.
CREATE TABLE message_client_ips (
    message BIGINT PRIMARY KEY,
    client_ip TEXT NOT NULL
);

-- What was rejected of a batch at once, the first so many: the place of each in its request, from 0, and why.
CREATE TABLE message_batch_rejections (
    batch BIGINT NOT NULL,
    place BIGINT NOT NULL,
    code TEXT NOT NULL,
    field TEXT,
    reason TEXT NOT NULL,
    PRIMARY KEY (batch, place)
);
