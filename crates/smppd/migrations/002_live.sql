-- How long texts from handsets are given to an application (joined, udh, sar), how many of its messages may wait, and until
-- when its binds are ended: those that are older than this bind again.
ALTER TABLE smpp_accounts ADD COLUMN long_inbound TEXT NOT NULL DEFAULT 'joined';
ALTER TABLE smpp_accounts ADD COLUMN max_waiting BIGINT NOT NULL DEFAULT 10000000;
ALTER TABLE smpp_accounts ADD COLUMN ended_at BIGINT;
-- Whether it is told 8x8's own parameters: some libraries break on those they do not know.
ALTER TABLE smpp_accounts ADD COLUMN vendor_tlvs BOOLEAN NOT NULL DEFAULT FALSE;
