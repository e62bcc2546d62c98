-- Whether it is told 8x8's own parameters; NULL: by how it binds. In place of vendor_tlvs, which could not say that. Accounts that
-- are there keep what they had.
ALTER TABLE smpp_accounts ADD COLUMN tells_vendor_tlvs BOOLEAN;
UPDATE smpp_accounts SET tells_vendor_tlvs = vendor_tlvs;
