"""Measures another gateway on this machine, against the carrier of `loudhailer bench`: messages a second at the carrier and
processor time each, with receipts back to the application. Run it right before or after `loudhailer bench smpp` and compare.

    beside.py LOUDHAILER kannel|jasmin SECONDS [--no-receipts]

Both take messages over HTTP (Kannel's SMPP door is not free, Jasmin's is slower than its HTTP). wrk sends them over 50 connections,
nginx takes the receipts: programs in C, so that next to nothing of the machine goes to them. Kannel keeps its store as a log file
(its faster kind), receipts in memory, and may have 1,000 submits open. Jasmin has its stores of its own choice, Redis and RabbitMQ,
which must run, as itself must; it is told what it has to know over its console, with the credentials it ships with."""

import json
import os
import pathlib
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time

binary, which, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
receipts = "--no-receipts" not in sys.argv
directory = tempfile.TemporaryDirectory(dir="target" if os.path.isdir("target") else ".")
home = pathlib.Path(directory.name).resolve()
running = []
# How long what was accepted may take to leave, in seconds; what has not left by then does not count.
PATIENCE = 60
TEXT = "It+is+eighty+characters+long+and+says+nothing+that+anybody+would+want+to+know+ok"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(*command, **options):
    child = subprocess.Popen(command, **options)
    running.append(child)
    return child


def listening(port):
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


def used(pids):
    """Processor seconds of these processes."""
    total = 0
    for pid in pids:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / os.sysconf("SC_CLK_TCK")


def kannel(carrier, sink):
    admin, box, door = free_port(), free_port(), free_port()
    name = "bench"
    config = home / "kannel.conf"
    config.write_text(f"""group = core
admin-port = {admin}
admin-password = {secrets.token_hex(8)}
admin-allow-ip = 127.0.0.1
admin-interface = 127.0.0.1
smsbox-port = {box}
smsbox-interface = 127.0.0.1
log-file = "{home}/bearerbox.log"
log-level = 4
ssl-trusted-ca-file = "{home}/ca.pem"
dlr-storage = internal
store-type = file
store-location = "{home}/kannel.store"

group = smsc
smsc = smpp
smsc-id = bench
host = localhost
port = {carrier}
use-ssl = yes
transceiver-mode = true
smsc-username = {name}
smsc-password = {name}
system-type = ""
msg-id-type = 0x00
max-pending-submits = 1000

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {door}
sendsms-interface = 127.0.0.1
log-level = 4

group = sendsms-user
username = {name}
password = {name}
""")
    bearer = start("bearerbox", "-v", "4", str(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    listening(box)
    smsbox = start("smsbox", "-v", "4", str(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    listening(door)
    time.sleep(2)
    ask = f"&dlr-mask=3&dlr-url=http%3A%2F%2F127.0.0.1%3A{sink}%2F" if receipts else ""
    return door, f"/cgi-bin/sendsms?username={name}&password={name}&from=447700900000&to=%d&text={TEXT}{ask}", [bearer.pid, smsbox.pid]


def jasmin(carrier, sink):
    door, console = int(os.environ.get("JASMIN_HTTP", "1401")), int(os.environ.get("JASMIN_CONSOLE", "8990"))
    listening(door)
    # Told by its own console, with the credentials it ships with.
    with socket.create_connection(("127.0.0.1", console), timeout=5) as link:
        for line in ["jcliadmin", "jclipwd", "smppccm -0 bench", "smppccm -r bench", "mtrouter -f",
                     "smppccm -a", "cid bench", "host 127.0.0.1", f"port {carrier}", "ssl yes", "username bench", "password bench",
                     "submit_throughput 0", "elink_interval 30", "ok", "group -a", "gid bench", "ok",
                     "user -a", "uid bench", "gid bench", "username bench", "password bench", "ok",
                     "mtrouter -a", "type defaultroute", "connector smppc(bench)", "rate 0", "ok", "smppccm -1 bench"]:
            link.sendall(line.encode() + b"\r\n")
            time.sleep(0.4)
        link.sendall(b"quit\r\n")
    time.sleep(3)
    # Its broker and its Redis count: without them it keeps nothing.
    pids = [int(pid) for name in ("jasmind.py", "dlrd.py", "dlrlookupd.py", "beam.smp", "redis-server") for pid in
            subprocess.run(["pgrep", "-f", name], capture_output=True, text=True).stdout.split() if int(pid) != os.getpid()]
    ask = f"&dlr=yes&dlr-level=2&dlr-method=GET&dlr-url=http%3A%2F%2F127.0.0.1%3A{sink}%2F" if receipts else ""
    return door, f"/send?username=bench&password=bench&from=447700900000&to=%d&content={TEXT}{ask}", pids


def main():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(home / "server.key"),
                    "-out", str(home / "ca.pem")], check=True, capture_output=True)
    carrier = start(binary, "bench-carrier", "--cert", str(home / "ca.pem"), "--key", str(home / "server.key"),
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    carrier_port = int(carrier.stdout.readline().rsplit(":", 1)[1])

    def count():
        carrier.stdin.write("count\n")
        carrier.stdin.flush()
        return json.loads(carrier.stdout.readline())

    sink = free_port()
    (home / "nginx.conf").write_text(f"""daemon off; pid {home}/nginx.pid; error_log {home}/nginx.log crit; worker_processes 1;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000;
server {{ listen 127.0.0.1:{sink} backlog=4096; location / {{ return 200 ""; }} location /count {{ stub_status; }} }} }}
""")
    start("nginx", "-c", str(home / "nginx.conf"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    listening(sink)
    door, path, pids = {"kannel": kannel, "jasmin": jasmin}[which](carrier_port, sink)
    (home / "wrk.lua").write_text(f"""local number = 447700000000
request = function() number = number + 1; return wrk.format("GET", string.format("{path.replace('%2F', '%%2F').replace('%3A', '%%3A')}", number)) end
""")
    # Lua has no integers: %d takes the number as it is.
    before, cpu, began = count(), used(pids), time.monotonic()
    said = subprocess.run(["wrk", "-t", "1", "-c", "50", "-d", f"{seconds:.0f}s", "-s", str(home / "wrk.lua"), f"http://127.0.0.1:{door}/"],
                          capture_output=True, text=True).stdout
    accepted_until = time.monotonic() - began
    requests, refused = re.search(r"(\d+) requests in", said), re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    accepted = (int(requests[1]) if requests else 0) - (int(refused[1]) if refused else 0)
    drained = time.monotonic()
    # What was accepted still has to leave: the rate is that of the whole way.
    last, still = count(), 0
    while still < 8 and time.monotonic() - drained < PATIENCE:
        time.sleep(0.25)
        now = count()
        still = still + 1 if (now["submits"], now["receipts_taken"]) == (last["submits"], last["receipts_taken"]) else 0
        last = now
    took = time.monotonic() - began - (2.0 if still == 8 else 0)
    submits, back = last["submits"] - before["submits"], last["receipts_taken"] - before["receipts_taken"]
    spent = used(pids) - cpu
    print(said.strip())
    print(f"{which}, receipts {'on' if receipts else 'off'}: {submits} at the carrier, {back} receipts taken, in {took:.1f} s (accepting ended after {accepted_until:.1f} s)")
    print(f"{submits / took:.0f} a second of {accepted} that were accepted")
    # What was accepted and has not left cost its time too: a figure each says nothing then.
    if submits >= 0.99 * accepted:
        print(f"{spent / max(submits, 1) * 1e6:.0f} us of its processor time each")


try:
    main()
finally:
    for child in reversed(running):
        child.terminate()
    for child in running:
        child.wait()
    directory.cleanup()
