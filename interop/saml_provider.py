# A SAML identity provider that we did not write: pysaml2 with xmlsec1, over HTTPS. It lets everybody in as Bea. The test that starts
# it says through /control what it signs, encrypts and says; with the word "post" it takes and gives everything by POST alone.
# Usage: saml_provider.py PORT HOST CERT KEY FOLDER [post]
import functools
import html
import pathlib
import ssl
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import saml2.entity
import saml2.sigver
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.authn_context import PASSWORDPROTECTEDTRANSPORT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import NAME_FORMAT_URI, NAMEID_FORMAT_PERSISTENT, NameID
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

port, host, cert, key, folder = sys.argv[1:6]
# How it talks, the first by preference.
bindings = [BINDING_HTTP_POST] if "post" in sys.argv[6:] else [BINDING_HTTP_REDIRECT, BINDING_HTTP_POST]
folder, base = pathlib.Path(folder), f"https://{host}:{port}"
# What pysaml2 encrypts with unless told otherwise is triple DES.
saml2.entity.pre_encryption_part = functools.partial(
    saml2.sigver.pre_encryption_part, msg_enc="http://www.w3.org/2009/xmlenc11#aes256-gcm")
saml2.sigver.SecurityContext.encrypt_assertion = functools.partialmethod(
    saml2.sigver.SecurityContext.encrypt_assertion, key_type="aes-256")

state = {"sign": "assertion", "encrypt": "0", "groups": "night", "change": "0", "said": ""}
generation = 0
ours = None
provider = None
last = {"session": None}
lock = threading.Lock()


def signing_pair():
    global generation
    generation += 1
    pair = folder / f"signing-{generation}.key", folder / f"signing-{generation}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=provider",
                    "-keyout", pair[0], "-out", pair[1]], check=True, capture_output=True)
    return pair


def make():
    global provider
    private, public = pair
    config = IdPConfig().load({
        "entityid": f"{base}/metadata",
        "xmlsec_binary": "/usr/bin/xmlsec1",
        "key_file": str(private),
        "cert_file": str(public),
        "metadata": {"inline": [ours]} if ours else {},
        "delete_tmpfiles": True,
        "service": {"idp": {
            "endpoints": {
                "single_sign_on_service": [(f"{base}/sso", binding) for binding in bindings],
                "single_logout_service": [(f"{base}/slo", binding) for binding in bindings],
            },
            "want_authn_requests_signed": True,
            "policy": {"default": {"lifetime": {"minutes": 5}, "attribute_restrictions": None, "name_form": NAME_FORMAT_URI}},
            "name_id_format": [NAMEID_FORMAT_PERSISTENT],
        }},
    })
    provider = Server(config=config)


pair = signing_pair()
make()


def entity_id():
    return next(iter(provider.metadata.keys()))


def bea():
    return NameID(format=NAMEID_FORMAT_PERSISTENT, name_qualifier=f"{base}/metadata", sp_name_qualifier=entity_id(), text="bea")


def answer(request_id, acs):
    identity = {"mail": ["bea@example.com"], "displayName": ["Bea Sample"], "groups": [one for one in state["groups"].split(",") if one]}
    encrypt = state["encrypt"] == "1"
    said = provider.create_authn_response(
        identity, request_id, acs, sp_entity_id=entity_id(), name_id=bea(),
        authn={"class_ref": PASSWORDPROTECTEDTRANSPORT, "authn_auth": base},
        sign_response=state["sign"] in ("response", "both"), sign_assertion=state["sign"] in ("assertion", "both"),
        encrypt_assertion=encrypt, encrypt_assertion_self_contained=True, sign_alg=SIG_RSA_SHA256, digest_alg=DIGEST_SHA256)
    text = str(said)
    if not encrypt:
        last["session"] = text.split('SessionIndex="')[1].split('"')[0]
    return text.replace(">bea<", ">ada<") if state["change"] == "1" else text


def form(to, name, message, relay=""):
    import base64
    packed = base64.b64encode(message.encode()).decode()
    more = f'<input type="hidden" name="RelayState" value="{html.escape(relay)}">' if relay else ""
    return (f'<!doctype html><title>Provider</title><form method="post" action="{html.escape(to)}"><input type="hidden" name="{name}" '
            f'value="{packed}">{more}<button>Go on</button></form><script>document.forms[0].submit()</script>')


def acs_of():
    return provider.metadata.assertion_consumer_service(entity_id(), BINDING_HTTP_POST)[0]["location"]


def slo_of():
    return provider.metadata.single_logout_service(entity_id(), bindings[0], "spsso")[0]["location"]


def signed_inside():
    # What travels in an address is signed there, and not inside.
    if bindings[0] != BINDING_HTTP_POST:
        return {"sign": False}
    return {"sign": True, "sign_alg": SIG_RSA_SHA256, "digest_alg": DIGEST_SHA256}


class Door(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def say(self, text, status=200, kind="text/html; charset=utf-8", **headers):
        data = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        self.act(parse_qs(self.rfile.read(length).decode()), BINDING_HTTP_POST)

    def do_GET(self):
        self.act(parse_qs(urlsplit(self.path).query), BINDING_HTTP_REDIRECT)

    def act(self, fields, binding):
        try:
            with lock:
                self.acts(urlsplit(self.path).path, {name: values[0] for name, values in fields.items()}, binding)
        except Exception as error:  # what pysaml2 does not believe is shown to the test
            self.say(f"<title>Refused</title><h1>Refused</h1><p>{html.escape(repr(error))}</p>", 400)

    def send_to_slo(self, name, message, relay=""):
        if bindings[0] == BINDING_HTTP_POST:
            return self.say(form(slo_of(), name, str(message), relay))
        sent = provider.apply_binding(BINDING_HTTP_REDIRECT, str(message), slo_of(), relay, response=name == "SAMLResponse",
                                      sign=True, sigalg=SIG_RSA_SHA256)
        return self.say("", 303, Location=dict(sent["headers"])["Location"])

    def acts(self, path, said, binding):
        global ours, pair
        if path == "/metadata":
            return self.say(str(entity_descriptor(provider.config)), kind="application/samlmetadata+xml")
        if path == "/control":
            if "load" in said:
                trusted = ssl.create_default_context(cafile=said["ca"])
                trusted.verify_flags &= ~ssl.VERIFY_X509_STRICT
                with urllib.request.urlopen(said["load"], context=trusted) as got:
                    ours = got.read().decode()
                make()
            if "rotate" in said:
                pair = signing_pair()
                make()
            state.update({name: value for name, value in said.items() if name in state})
            return self.say("done", kind="text/plain")
        if path == "/state":
            return self.say(state["said"], kind="text/plain")
        if path == "/sso":
            request = provider.parse_authn_request(said["SAMLRequest"], binding, relay_state=said.get("RelayState"),
                                                   sigalg=said.get("SigAlg"), signature=said.get("Signature"))
            state["said"] = f"asked, force={request.message.force_authn}"
            return self.say(form(request.message.assertion_consumer_service_url, "SAMLResponse", answer(request.message.id, acs_of())))
        if path == "/portal":
            return self.say(form(acs_of(), "SAMLResponse", answer(None, acs_of()), "/w/demo/you"))
        if path == "/leave":
            _, request = provider.create_logout_request(
                slo_of(), entity_id(), name_id=bea(), session_indexes=[last["session"]] if last["session"] else None, **signed_inside())
            return self.send_to_slo("SAMLRequest", request, "stay")
        if path == "/slo" and "SAMLResponse" in said:
            left = provider.parse_logout_request_response(said["SAMLResponse"], binding)
            state["said"] = f"left, status={left.response.status.status_code.value.rsplit(':', 1)[1]}, relay={said.get('RelayState')}"
            return self.say("<title>Left</title><h1>Left</h1>")
        if path == "/slo":
            request = provider.parse_logout_request(said["SAMLRequest"], binding, relay_state=said.get("RelayState"),
                                                    sigalg=said.get("SigAlg"), signature=said.get("Signature"))
            state["said"] = f"asked to leave, name={request.message.name_id.text}, session={bool(request.message.session_index)}"
            response = provider.create_logout_response(request.message, bindings[:1], **signed_inside())
            return self.send_to_slo("SAMLResponse", response)
        return self.say("<h1>Nothing</h1>", 404)


class Over(ThreadingHTTPServer):
    def handle_error(self, *_):
        pass


server = Over(("127.0.0.1", int(port)), Door)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print("ready", flush=True)
server.serve_forever()
