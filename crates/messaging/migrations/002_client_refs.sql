-- Messages by the sender's own id. Led by the segment, as the carrier's id is: see 001 for why.
CREATE INDEX messages_by_client_ref ON messages (segment, client_ref) WHERE client_ref IS NOT NULL;
