"""What scanners that we did not write find wrong with the running product: schemathesis, sslyze, slowhttptest, wapiti, sqlmap.

Each tool gets a demo of its own (a fresh database, the simulated carrier), signed in as an administrator, and a bound on its time. What it
says whole is kept in artefacts/outside; a short summary is written to docs/proof/outside.md. A finding stands only with a reason in
docs/proof/reasons.tsv: anything else ends this with an error. `scripts/outside` prepares what it needs.
"""

import collections
import http.client
import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEPT = ROOT / "artefacts" / "outside"
PROOF = ROOT / "docs" / "proof"
BINARY = os.environ.get("LOUDHAILER_BINARY", str(ROOT / "target" / "debug" / "loudhailer"))
# Seconds that each tool may take; a tool that has a bound of its own is given less, so that it ends with a report.
BOUND = int(os.environ.get("OUTSIDE_SECONDS", "300"))
PASSWORD = "a correct horse, standing still"

Finding = collections.namedtuple("Finding", "tool what where")
Result = collections.namedtuple("Result", "tool version looked findings")


class Demo:
    """A demo that runs, and somebody who is signed in to it."""

    def __init__(self, name):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix=f"loudhailer-outside-{name}-"))
        self.log = open(KEPT / f"{name}.server.log", "w", encoding="utf-8")
        self.process = subprocess.Popen(
            [BINARY, "demo", "--json", "--listen", "127.0.0.1:0", "--smpp-tls", "127.0.0.1:0", "--data", str(self.home / "data")],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env={**clean(), "LOUDHAILER_LOG_LEVEL": "warn"},
        )
        line = self.process.stdout.readline()
        assert line, f"the demo did not start: see {self.log.name}"
        self.facts = json.loads(line)
        self.base = self.facts["console"].rstrip("/")
        self.host, self.port = urllib.parse.urlsplit(self.base).hostname, urllib.parse.urlsplit(self.base).port
        self.ca = self.facts["ca_cert"]
        self.context = ssl.create_default_context(cafile=self.ca)
        self.cookie, self.csrf, self.token = "", "", ""
        self.sign_in()
        self.live()

    def ask(self, path, form=None, body=None, headers=None, bare=False):
        request = urllib.request.Request(self.base + path, headers={"sec-fetch-site": "same-origin", **(headers or {})})
        if self.cookie and not bare:
            request.add_header("cookie", self.cookie)
        if form is not None:
            request.data = urllib.parse.urlencode(form).encode()
            request.add_header("content-type", "application/x-www-form-urlencoded")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_):
                return None

        opener = urllib.request.build_opener(Stay, urllib.request.HTTPSHandler(context=self.context))
        try:
            answer = opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        return answer.status, answer.headers, answer.read().decode(errors="replace")

    def sign_in(self):
        code = self.facts["setup_url"].split("#")[1]
        form = {"code": code, "name": "Ada Sample", "login": "ada@example.com", "password": PASSWORD, "again": PASSWORD}
        _, headers, _ = self.ask("/setup", form=form)
        self.cookie = next(one.split(";")[0] for one in headers.get_all("set-cookie") if one.startswith("__Host-sid="))
        _, _, page = self.ask("/w/demo/you")
        self.csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
        _, _, page = self.ask("/w/demo/you/token", form={"csrf": self.csrf})
        self.token = re.search(r"loudhailer_[a-z]+_[A-Za-z0-9_-]+", page)[0]

    def live(self):
        """A few things happen, so that lists have rows and searches find something."""
        for number in range(3):
            self.ask(self.facts["signal_url"].replace(self.base, ""), body={"title": f"Disk {number} full", "priority": "high"})
            self.ask("/api/v1/subaccounts/demo/messages", body={"destination": "+447700900126", "text": f"Tea {number}"},
                     headers={"authorization": f"Bearer {self.facts['api_key']}"})
        time.sleep(2)

    def healthy(self):
        """Whether it serves, and never broke off."""
        try:
            status, _, _ = self.ask("/readyz")
        except OSError as error:
            return f"it does not answer any more: {error}"
        said = pathlib.Path(self.log.name).read_text(encoding="utf-8", errors="replace")
        if "panicked" in said:
            return "it panicked: " + next(line for line in said.splitlines() if "panicked" in line)
        return None if status == 200 and self.process.poll() is None else f"readyz says {status}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)


def clean():
    return {name: value for name, value in os.environ.items() if not name.startswith("LOUDHAILER_")}


def run(tool, arguments, bound=BOUND, cwd=None, told=""):
    """What a program says, whole and kept; asked to end when its time is over."""
    path = KEPT / f"{tool}.txt"
    with open(path, "a", encoding="utf-8") as out:
        out.write("$ " + re.sub(r"loudhailer_[A-Za-z0-9_-]+|__Host-sid=\S+", "…", " ".join(map(str, arguments))) + "\n")
        out.flush()
        process = subprocess.Popen(arguments, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.PIPE, env=clean(), cwd=cwd, text=True)
        # What it reads when it asks, as it does when its time is over.
        process.stdin.write(told)
        process.stdin.close()
        try:
            code = process.wait(timeout=bound)
        except subprocess.TimeoutExpired:
            process.send_signal(2)
            try:
                code = process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait()
            out.write(f"\n(ended after {bound} s)\n")
    return code, path.read_text(encoding="utf-8", errors="replace")


def here(program):
    """Each in an environment of its own: what one needs another may not have."""
    return str(KEPT / "venv" / program / "bin" / program)


def version(package):
    pinned = (ROOT / "interop" / "outside.txt").read_text().split()
    return next(line.split("==")[1] for line in pinned if line.startswith(f"{package}=="))


def schemathesis():
    """The OpenAPI document against what is served: as an administrator with everything, and with a key of one workspace."""
    tool, findings, looked = "schemathesis", [], []
    for who in ("administrator", "key"):
        with Demo(f"{tool}-{who}") as demo:
            # People's own operations want a session; a program has its key.
            session = [f"Cookie: {demo.cookie}", f"X-CSRF-Token: {demo.csrf}", "Sec-Fetch-Site: same-origin"]
            shown = session if who == "administrator" else [f"Authorization: Bearer {demo.facts['api_key']}"]
            report = KEPT / f"{tool}-{who}"
            # What an earlier run reported is no finding of this one.
            shutil.rmtree(report, ignore_errors=True)
            code, said = run(f"{tool}-{who}", [
                here("schemathesis"), "--config-file", str(ROOT / "interop" / "schemathesis.toml"), "run", f"{demo.base}/api/openapi.json", "--url", demo.base,
                *[part for header in shown for part in ("--header", header)], "--tls-verify", demo.ca,
                "--max-examples", os.environ.get("OUTSIDE_EXAMPLES", "15"), "--generation-database", "none", "--seed", "7",
                "--continue-on-failure", "--workers", "2", "--request-timeout", "30", "--no-color",
                "--report", "junit", "--report-dir", str(report),
            ])
            findings += junit(tool, report, said, code)
            tested, cases = re.search(r"Tested: (\d+)", said), re.search(r"(\d+) generated", said)
            looked.append(f"{who}: {tested[1] if tested else '?'} operations, {cases[1] if cases else '?'} cases")
            there = re.search(r"Operations:\s+\d+ selected / (\d+) total", said)
            if not tested or not there or int(tested[1]) < int(there[1]):
                findings.append(Finding(tool, f"only {tested[1] if tested else 0} of {there[1] if there else '?'} operations were tested", who))
            # Who was signed out meanwhile has looked at refusals alone.
            if who == "administrator" and demo.ask("/api/v1/people")[0] != 200:
                findings.append(Finding(tool, "the session was over before the end", who))
            findings += broken(tool, demo)
    return Result(tool, version("schemathesis"), "; ".join(looked), findings)


def because(title, text):
    """What tells one finding of a sort from another: the code of a refusal, or that what was accepted was an empty parameter."""
    if title.startswith("ST202"):
        codes = sorted(set(re.findall(r'\\?"(?:code|error)\\?":\s*\\?"?([a-z0-9-]+)', text)))
        return ": " + (", ".join(codes) or "no code")
    if title.startswith("ST201"):
        empty = re.search(r"curl[^\n]*[?&][^=&'\s]+=(&|'|\s|$)", text)
        # The scanner took the proof out, and its own --header put it back.
        proof = re.search(r"(Missing|parameter) `(__Host-sid|Authorization|X-CSRF-Token)`", text)
        return ": an empty parameter" if empty else ": without a proof that is sent all the same" if proof else ""
    return ""


def junit(tool, report, said, code):
    import xml.etree.ElementTree as tree
    found = []
    for file in report.glob("*.xml"):
        for case in tree.parse(file).iter("testcase"):
            for failure in case.iter("failure"):
                text = failure.text or failure.get("message") or ""
                for title in sorted(set(re.findall(r"^- ([A-Z][^\n]+)", text, re.M))) or [text.strip().splitlines()[0] if text.strip() else "failed"]:
                    found.append(Finding(tool, title + because(title, text), case.get("name")))
            for error in case.iter("error"):
                found.append(Finding(tool, f"error: {(error.get('message') or error.text or '').strip()[:200]}", case.get("name")))
    if not found and code not in (0, -2, 130):
        found.append(Finding(tool, f"ended with {code}", said.strip().splitlines()[-1] if said.strip() else ""))
    return sorted(set(found))


def sslyze():
    """HTTPS and SMPP over TLS against Mozilla's intermediate profile."""
    tool, findings, looked = "sslyze", [], []
    with Demo(tool) as demo:
        smpp = demo.facts["smpp_tls"].rsplit(":", 1)[1]
        for door, port in (("HTTPS", demo.port), ("SMPP", smpp)):
            report = KEPT / f"{tool}-{door.lower()}.json"
            code, said = run(f"{tool}-{door.lower()}", [
                here("sslyze"), "--mozilla_config=intermediate", f"--certinfo_ca_file={demo.ca}", f"--json_out={report}", f"localhost:{port}",
            ])
            compliant = "OK - Compliant" in said
            looked.append(f"{door}: {'compliant' if compliant else 'not compliant'} (exit {code})")
            for line in re.findall(r"^\s+\* ([a-z_]+: .+)$", said, re.M) if not compliant else []:
                findings.append(Finding(tool, line.strip(), door))
            if not compliant and not any(finding.where == door for finding in findings):
                findings.append(Finding(tool, "no verdict", door))
            scans = json.loads(report.read_text())["server_scan_results"][0]["scan_result"]
            for name, bad in (
                ("heartbleed", lambda r: r["is_vulnerable_to_heartbleed"]), ("openssl_ccs_injection", lambda r: r["is_vulnerable_to_ccs_injection"]),
                ("robot", lambda r: "NOT_VULNERABLE" not in r["robot_result"]), ("tls_compression", lambda r: r["supports_compression"]),
                ("session_renegotiation", lambda r: r["is_vulnerable_to_client_renegotiation_dos"] or not r["supports_secure_renegotiation"]),
            ):
                result = (scans.get(name) or {}).get("result")
                if result and bad(result):
                    findings.append(Finding(tool, f"{name}: {json.dumps(result)[:120]}", door))
        findings += broken(tool, demo)
    return Result(tool, version("sslyze"), "; ".join(looked), findings)


class Other:
    """Somebody at another address, who asks for a page once a second and waits 3 s for it."""

    def __init__(self, demo):
        self.demo, self.over, self.asked, self.unanswered = demo, threading.Event(), 0, 0
        self.thread = threading.Thread(target=self.look)
        self.thread.start()

    def look(self):
        context = ssl.create_default_context(cafile=self.demo.ca)
        context.check_hostname = False
        while not self.over.wait(1):
            self.asked += 1
            try:
                one = http.client.HTTPSConnection("127.0.0.1", self.demo.port, timeout=3, source_address=("127.0.0.2", 0), context=context)
                one.request("GET", "/sign-in", headers={"host": f"localhost:{self.demo.port}"})
                if one.getresponse().status != 200:
                    self.unanswered += 1
                one.close()
            except OSError:
                self.unanswered += 1

    def end(self):
        self.over.set()
        self.thread.join()
        return self.asked, self.unanswered


def slowhttptest():
    """Connections that send and read as slowly as can be; meanwhile others are served."""
    tool, findings, looked = "slowhttptest", [], []
    modes = (
        ("slow headers", ["-H", "-i", "5", "-x", "24"]), ("slow body", ["-B", "-i", "5", "-s", "8192", "-x", "10"]),
        ("ranges", ["-R", "-a", "5", "-b", "3000"]), ("slow read", ["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-k", "3"]),
    )
    said = ""
    with Demo(tool) as demo:
        for name, mode in modes:
            # The tool looks from the address that it attacks from, which has its own bound; others are asked for here.
            other = Other(demo)
            code, said = run(f"{tool}-{name.replace(' ', '-')}", [
                "slowhttptest", "-c", "500", "-r", "100", "-l", "40", "-p", "3", "-u", f"{demo.base}/sign-in", *mode,
            ], bound=90)
            said = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", said)
            available = re.findall(r"service available:\s*(\w+)", said)
            down, (asked, unanswered) = available.count("NO"), other.end()
            looked.append(f"{name}: {asked} looks from another address, {unanswered} in vain")
            if down or not available:
                findings.append(Finding(tool, f"from the attacking address: not available at {down} of {len(available)} looks" if available else "no verdict", name))
            if unanswered or not asked:
                findings.append(Finding(tool, f"from another address: not available at {unanswered} of {asked} looks", name))
        findings += broken(tool, demo)
    number = re.search(r"slowhttptest version\s*([\d.]+)", said)
    return Result(tool, number[1] if number else "of the distribution", "; ".join(looked), findings)


def wapiti():
    """Crawls the console as an administrator, and attacks what it finds."""
    tool, findings = "wapiti", []
    with Demo(tool) as demo:
        report = KEPT / f"{tool}.json"
        # Everything but what ends the scan itself: signing out, and acts on the person who scans.
        _, _, people = demo.ask("/api/v1/people?search=ada")
        own = json.loads(people)["items"][0]["id"]
        ends = ("/sign-out", "/w/demo/you", f"/w/demo/users/{own}", f"/w/demo/config/users/{own}")
        leave = [part for path in ends for part in ("-x", f"{demo.base}{path}*")]
        code, said = run(tool, [
            here("wapiti"), "-u", f"{demo.base}/w/demo", "--scope", "domain", "-H", f"Cookie: {demo.cookie}", "-H", "Sec-Fetch-Site: same-origin", "-H", f"X-CSRF-Token: {demo.csrf}",
            "--verify-ssl", "0", "--flush-session", "--max-scan-time", str(BOUND // 3), "--max-links-per-page", "60", "--max-files-per-dir", "25", "-d", "4",
            "-m", "cookieflags,crlf,csp,csrf,exec,file,http_headers,https_redirect,methods,permanentxss,redirect,sql,timesql,xss,backup,htaccess,upload",
            "--max-attack-time", str(max(15, BOUND // 12)), "--tasks", "8", *leave, "-f", "json", "-o", str(report), "--no-bugreport", "-v", "1",
        ], bound=2 * BOUND, told="r\n")
        pages = 0
        if report.exists():
            told = json.loads(report.read_text())
            pages = told.get("infos", {}).get("crawled_pages_nbr", 0)
            for sort in ("vulnerabilities", "anomalies"):
                for category, entries in told.get(sort, {}).items():
                    for entry in entries:
                        findings.append(Finding(tool, f"{category}: {entry.get('info', '')[:160]}", f"{entry.get('method', '')} {re.sub(r'[0-9a-f-]{36}', '{id}', entry.get('path', ''))}"))
        else:
            findings.append(Finding(tool, f"no report (exit {code})", said.strip().splitlines()[-1] if said.strip() else ""))
        # Whoever is signed out sees a handful.
        if pages < 30:
            findings.append(Finding(tool, f"only {pages} pages were crawled", ""))
        if demo.ask("/w/demo")[0] != 200:
            findings.append(Finding(tool, "the session was over before the end", ""))
        findings += broken(tool, demo)
    return Result(tool, version("wapiti3"), f"{pages} pages crawled", sorted(set(findings)))


# Searches of the console; those of the API are read from its document.
CONSOLE = {
    "/w/demo/find": ["q"], "/w/demo/messages": ["q", "state", "class", "batch"], "/w/demo/signals": ["q", "outcome", "integration", "time"],
    "/w/demo/runs": ["state", "flow"], "/w/demo/callbacks": ["state", "webhook", "subject"], "/w/demo/users": ["q", "standing", "role"],
    "/w/demo/audit": ["action", "outcome", "place", "who", "target", "from", "to", "q"], "/w/demo/unknown": ["carrier", "hours"],
    "/w/demo/alerts": ["show"], "/w/demo/access": ["can", "of"],
}


def value(parameter, schemas):
    """One that is taken, so that a request goes as far as the store."""
    def behind(schema):
        schema = schemas.get(schema.get("$ref", "").rsplit("/", 1)[-1], schema)
        return behind(schema["items"]) if "items" in schema else schema

    schema = behind(parameter.get("schema", {}))
    for one in [schema, *map(behind, schema.get("oneOf", []) + schema.get("anyOf", []))]:
        if one.get("enum"):
            return one["enum"][0]
        if one.get("format") == "date-time":
            return "2099-01-01T00:00:00Z" if parameter["name"] in ("to", "until") else "2026-01-01T00:00:00Z"
        if one.get("format") == "uuid":
            return "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"
        if one.get("type") in ("integer", ["integer", "null"]):
            return "20"
    known = {"format": "jsonl", "capability": "alerts:read", "country": "GB", "kind": "groups", "workspace": "demo", "to": "+447700900117"}
    return known.get(parameter["name"], "a")


def searches(demo):
    """Every GET with a query: its address, a value for each parameter, and whether it is a page."""
    _, _, text = demo.ask("/api/openapi.json")
    document = json.loads(text)
    for path, item in sorted(document["paths"].items()):
        operation = item.get("get")
        if not operation:
            continue
        parameters = operation.get("parameters", []) + item.get("parameters", [])
        names = {one["name"]: value(one, document["components"]["schemas"]) for one in parameters if one["in"] == "query" and one["name"] != "cursor"}
        if not names or path.endswith("/events"):
            continue
        for one in parameters:
            if one["in"] == "path":
                word = one.get("example") or "demo"
                word = "demo" if one["name"] in ("workspace", "sub_account", "subaccount") else word
                path = path.replace("{" + one["name"] + "}", urllib.parse.quote(str(word), safe=""))
        yield path, names, False
    days = {"from": "2026-01-01", "to": "2099-01-01", "hours": "24", "time": "24", "place": "everywhere"}
    for path, names in CONSOLE.items():
        yield path, {name: days.get(name, "a") for name in names}, True


def sqlmap():
    """Every parameter of every search, of the API as in its document and of the console's pages."""
    tool, findings, looked = "sqlmap", [], 0
    with Demo(tool) as demo:
        for path, names, page in searches(demo):
            query = urllib.parse.urlencode(names)
            proof = f"Cookie: {demo.cookie}" if page else f"Authorization: Bearer {demo.token}"
            # What does not answer the plain question would be found free of everything.
            status = demo.ask(f"{path}?{query}", headers=dict([proof.split(": ", 1)]), bare=True)[0]
            if status != 200:
                findings.append(Finding(tool, f"not tested: answered {status}", f"{path}?{query}"))
                continue
            _, said = run(tool, [
                here("sqlmap"), "-u", f"{demo.base}{path}?{query}", "--headers", proof, "--batch", "--level", "1", "--risk", "1", "--technique", "BEU",
                "--threads", "4", "--timeout", "20", "--retries", "1", "--ignore-code", "*", "--flush-session", "--skip-waf", "--disable-coloring",
                "--skip-heuristics", "--no-cast", "--output-dir", str(KEPT / "sqlmap"),
            ], bound=120)
            said = said.rsplit("\n$ ", 1)[-1] if "\n$ " in said else said
            looked += len(names)
            # What first seems to be one is looked at by the tool itself once more; only then it is one.
            if "identified the following injection point" in said:
                findings.append(Finding(tool, "an injection point", f"{path}?{query}"))
            elif "do not appear to be injectable" not in said and "all tested parameters" not in said:
                last = [line for line in said.strip().splitlines() if "CRITICAL" in line or "ERROR" in line]
                findings.append(Finding(tool, f"not tested: {last[-1][:140] if last else 'its time was over'}", f"{path}?{query}"))
        findings += broken(tool, demo)
    return Result(tool, version("sqlmap"), f"{looked} parameters", findings)


def broken(tool, demo):
    said = demo.healthy()
    return [Finding(tool, f"the server: {said}", demo.base)] if said else []


def axe():
    """Every page in Chromium, wide and narrow, light and dark: the product's own test of its pages runs axe-core on each."""
    code, said = run("axe", ["cargo", "test", "-p", "loudhailer", "--test", "it", "--", "pages::", "--nocapture"], bound=max(BOUND, 900), cwd=ROOT)
    pages = re.search(r"^(\d+) pages$", said, re.M)
    findings = [] if pages or code else [Finding("axe", "no page was looked at", "")]
    findings += [Finding("axe", line.strip(), "") for line in re.findall(r"^(/\S+: .+)$", said, re.M)] if code else []
    if code and not findings:
        findings = [Finding("axe", f"the test of the pages ended with {code}", "")]
    number = re.search(r"axe-core@([\d.]+)", (ROOT / "crates/testkit/src/npm.rs").read_text() if (ROOT / "crates/testkit/src/npm.rs").exists() else "")
    return Result("axe", number[1] if number else "as pinned by testkit", f"{pages[1] if pages else '?'} pages, each at two widths and in two themes", findings)


TOOLS = {one.__name__: one for one in (schemathesis, sslyze, slowhttptest, wapiti, sqlmap, axe)}


def reasons():
    path = PROOF / "reasons.tsv"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    known = []
    for line in lines:
        if line.strip() and not line.startswith("#"):
            tool, what, where, reason = line.split("\t")
            known.append((tool, re.compile(what), re.compile(where), reason))
    return known


def main():
    KEPT.mkdir(parents=True, exist_ok=True)
    PROOF.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[1:] or list(TOOLS)
    known, kept = reasons(), PROOF / "outside.json"
    before = json.loads(kept.read_text()) if kept.exists() else {}
    still_open = 0
    for name in wanted:
        for old in KEPT.glob(f"{name}*"):
            if old.is_file():
                old.unlink()
        began = time.monotonic()
        print(f"outside: {name} …", flush=True)
        result = TOOLS[name]()
        entry = {"version": result.version, "looked": result.looked, "seconds": round(time.monotonic() - began),
                 "day": time.strftime("%Y-%m-%d", time.gmtime()), "stands": [], "open": []}
        grouped = collections.Counter()
        for finding in result.findings:
            finding = finding._replace(what=finding.what.replace(f"{ROOT}/", ""))
            reason = next((why for tool, what, where, why in known if tool == finding.tool and what.search(finding.what) and where.search(finding.where)), None)
            if reason:
                grouped[(finding.what, reason)] += 1
            else:
                entry["open"].append(f"{finding.what} [{finding.where}]")
                print(f"outside: {name}: OPEN: {finding.what} [{finding.where}]", flush=True)
        entry["stands"] = [{"what": what, "times": times, "reason": reason} for (what, reason), times in sorted(grouped.items())]
        still_open += len(entry["open"])
        before[name] = entry
        print(f"outside: {name} {result.version}: {result.looked}; {len(entry['open'])} open, {sum(grouped.values())} stand with a reason", flush=True)
        kept.write_text(json.dumps(before, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
        table(before)
    sys.exit(1 if still_open else 0)


def table(results):
    lines = ["# What scanners found", "", "Written by `scripts/outside`; how it is made is told in [proof.md](../proof.md).", "",
             "| Tool | Version | Day | Seconds | Looked at | Open | Stand with a reason |", "|---|---|---|---|---|---|---|"]
    for name in TOOLS:
        if name in results:
            one = results[name]
            stands = sum(entry["times"] for entry in one["stands"])
            lines.append(f"| {name} | {one['version']} | {one['day']} | {one['seconds']} | {one['looked']} | {len(one['open'])} | {stands} |")
    stands = [(name, entry) for name in TOOLS if name in results for entry in results[name]["stands"]]
    if stands:
        lines += ["", "## What stands, and why", "", "| Tool | Finding | Times | Reason |", "|---|---|---|---|"]
        lines += [f"| {name} | {entry['what'].replace('|', '/')} | {entry['times']} | {entry['reason']} |" for name, entry in stands]
    (PROOF / "outside.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
