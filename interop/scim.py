"""Our door for directories against scim2-tester, a program that we did not write: scim.py BASE TOKEN CA.

One line a check; what deviates from RFC 7643 or RFC 7644 ends the run with an error."""

import ssl
import sys

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester.checker import check_server
from scim2_tester.utils import Status

base, token, ca = sys.argv[1:4]
context = ssl.create_default_context(cafile=ca)
client = httpx2.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, verify=context, timeout=30)
scim = SyncSCIMClient(client)
scim.discover()
wrong, done = 0, 0
for result in check_server(scim):
    bad = result.status in (Status.ERROR, Status.CRITICAL, Status.DEVIATION)
    wrong, done = wrong + bad, done + 1
    print(result.status.name, result.resource_type or "", result.title, result.reason or "", result.data if bad else "")
print(f"{done} checks, {wrong} wrong")
sys.exit(1 if wrong or done < 20 else 0)
