-- What the gateway tells applications besides: the handset's network, as mcc or mcc-mnc, where a carrier tells it; and the
-- parts of a long message from a handset as they came, sealed, for applications that want them so. header is the user
-- data header of a part that waits. `tell` gets more bits: see asked.rs.
ALTER TABLE messages ADD COLUMN network TEXT;
ALTER TABLE inbound_messages ADD COLUMN pieces TEXT;
ALTER TABLE inbound_parts ADD COLUMN header BYTEA;
