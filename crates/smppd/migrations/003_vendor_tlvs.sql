-- Whether it is told 8x8's own parameters; NULL: by how it binds. In place of vendor_tlvs, whose "no" was also what nobody had said.
ALTER TABLE smpp_accounts ADD COLUMN tells_vendor_tlvs BOOLEAN;
UPDATE smpp_accounts SET tells_vendor_tlvs = TRUE WHERE vendor_tlvs;
