"""Sends texts by the product's REST API to a carrier made of npm's `smpp` (carrier.js), and compares the books once all is over: every
text that was accepted reached the carrier whole and is shown as delivered; what reached it twice is shown as an unknown outcome.

    books.py URL CA NAME COUNT PREFIX CARRIERS-LOG TEXT…"""

import collections
import concurrent.futures
import json
import ssl
import sys
import time
import urllib.request

url, authority, name, count, prefix, log, *texts = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
KEY = "imported-key-of-the-interop-run-01"


def ask(path, body=None):
    request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"})
    request.data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, context=context, timeout=20) as answer:
        return json.load(answer)


def send(number, text):
    body = {"destination": f"{prefix}{number:05}", "text": text, "clientMessageId": f"{name}-{number:04}"}
    answer = ask("/api/v1/subaccounts/interop/messages", body)
    assert answer["status"]["code"] == "QUEUED", answer
    return answer["umid"]


def mine():
    found, cursor = {}, ""
    while cursor is not None:
        page = ask(f"/api/v1/workspaces/interop/messages?limit=200{cursor}")
        found.update((one["id"], one) for one in page["items"] if (one["clientMessageId"] or "").startswith(f"{name}-"))
        cursor = f"&cursor={page['next']}" if page["next"] else None
    return found


everything = [f"Interop {name} {number:04}" for number in range(int(count))] + texts
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    ids = list(pool.map(send, range(len(everything)), everything))
assert len(set(ids)) == len(everything)

deadline = time.monotonic() + 90
while True:
    shown = mine()
    assert set(ids) <= set(shown), "an accepted message is not in the list"
    states = collections.Counter(shown[one]["state"] for one in ids)
    if states["delivered"] == len(ids):
        break
    assert time.monotonic() < deadline, f"not delivered within 90 s: {states}"
    time.sleep(0.5)

lines = [json.loads(line) for line in open(log).read().splitlines()[1:]]
whole = collections.Counter(line["text"] for line in lines if "text" in line)
parts = collections.Counter((line["part"], line["to"]) for line in lines if "part" in line)
missing = [text for text in everything if whole[text] == 0]
assert not missing, f"accepted, delivered, and not at the carrier: {missing[:5]}"
twice = sum(times - 1 for times in parts.values())
unknown = sum(shown[one]["unknownOutcomes"] for one in ids)
assert twice <= unknown, f"{twice} parts went twice, {unknown} are shown as unknown outcome"
strange = sum(whole.values()) - twice - len(everything)
assert strange <= 0, f"{strange} texts at the carrier were not sent"

throttled = sum(line.get("event") == "throttled" for line in lines)
cuts = [line for line in lines if line.get("event") == "cut"]
assert sum(shown[one]["throttled"] for one in ids) == throttled, "throttled submits are counted at their messages"
if cuts:
    assert twice > 0 and throttled > 0, "the bad day was no bad day"
    assert unknown >= cuts[0]["unanswered"], f"{unknown} of {cuts[0]['unanswered']} cut-off submits are shown"
print(f"{len(ids)} texts by REST delivered, {throttled} submits throttled, {len(cuts)} cut with {unknown} outcomes unknown, {twice} parts twice")
