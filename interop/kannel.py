"""Feeds COUNT numbered texts to Kannel's smsbox, which hands them to its bearerbox and so to the SMPP server under test, and takes the
delivery reports that Kannel makes of the receipts: each text must be reported as delivered exactly once.

    kannel.py SENDSMS-PORT COUNT [TEXT…]"""

import collections
import concurrent.futures
import http.server
import sys
import threading
import time
import urllib.parse
import urllib.request

port, count, *texts = sys.argv[1:]
texts = [f"Interop kannel {number:04}" for number in range(int(count))] + texts
# Kannel's kind 1: delivered. 2: not delivered. 8: the carrier took it. 16: the carrier refused it.
reports = {kind: collections.Counter() for kind in (1, 2, 8, 16)}
lock = threading.Lock()


class Reports(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        with lock:
            reports[int(query["kind"][0])][int(query["number"][0])] += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Reports)
threading.Thread(target=server.serve_forever, daemon=True).start()


def send(number):
    report = f"http://127.0.0.1:{server.server_address[1]}/?number={number}&kind=%d"
    query = {"username": "interop", "password": "interop", "from": "70009", "to": "+447700900104", "text": texts[number]}
    query |= {"dlr-mask": 27, "dlr-url": report, "charset": "UTF-8", "coding": 0 if texts[number].isascii() else 2}
    for attempt in range(100):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/cgi-bin/sendsms?{urllib.parse.urlencode(query)}", timeout=10).status
        except OSError:
            # smsbox may not listen yet.
            if number > 0 or attempt == 99:
                raise
            time.sleep(0.1)


def reported(upto):
    deadline = time.monotonic() + 60
    while len(reports[1]) < upto and time.monotonic() < deadline:
        time.sleep(0.1)


send(0)
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(send, range(1, int(count))))
# Kannel keeps no order, and a handset shows its latest texts: the particular ones come when the others are there.
reported(int(count))
for number in range(max(1, int(count)), len(texts)):
    send(number)
reported(len(texts))
time.sleep(0.5)
with lock:
    assert len(reports[1]) == len(texts), f"{len(reports[1])} of {len(texts)} are reported as delivered"
    # Kannel reports a text of several parts once a part.
    assert all(reports[1][number] == 1 for number in range(len(texts)) if len(texts[number]) <= 70), "a text was reported twice"
    assert not reports[2] and not reports[16], f"{len(reports[2])} not delivered, {len(reports[16])} refused"
print(f"{len(texts)} texts, each reported as delivered")
