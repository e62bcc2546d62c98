"""An SMTP server (aiosmtpd) for tests: takes letters, and prints each as a line of JSON."""
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

how = json.loads(sys.argv[1])


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return f"550 5.1.1 <{address}>: no such user here"
        if address.startswith("later@"):
            return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 yes"

    async def handle_DATA(self, server, session, envelope):
        letter = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "hello": session.host_name,
            "user": getattr(session, "proven", None),
            "tls": session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None,
            "text": envelope.content.decode("utf-8", "replace"),
        }
        print(json.dumps(letter), flush=True)
        return "250 2.0.0 taken"


def authenticate(server, session, envelope, mechanism, data):
    right = data.login.decode() == how["user"] and data.password.decode() == how["password"]
    if right:
        session.proven = data.login.decode()
    return AuthResult(success=right, handled=False)


async def main():
    context = None
    if how.get("cert"):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(how["cert"], how["key"])
    starttls = how["mode"] == "starttls"
    implicit = how["mode"] == "implicit"
    loop = asyncio.get_running_loop()

    def make():
        return SMTP(
            Handler(),
            hostname="mail.test",
            loop=loop,
            enable_SMTPUTF8=how.get("utf8", False),
            authenticator=authenticate if how.get("user") else None,
            auth_required=bool(how.get("user")),
            auth_require_tls=starttls,
            tls_context=context if starttls else None,
            require_starttls=starttls,
        )

    server = await loop.create_server(make, "127.0.0.1", how.get("port", 0), ssl=context if implicit else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
