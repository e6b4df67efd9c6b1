"""aiosmtpd on loopback, with STARTTLS and a login required. A line of JSON for each mail.

Usage: mail_server.py CERTIFICATE KEY USER PASSWORD <LISTENING SOCKET
"""

import asyncio
import base64
import email
import email.policy
import json
import socket
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

certificate, key, user, password = sys.argv[1:]


class Letterbox:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        # One write, newline and all: mails come side by side.
        sys.stdout.write(json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "encrypted": session.ssl is not None,
            "login": session.auth_data.login.decode(),
            "subject": mail["Subject"],
            "message_id": mail["Message-ID"],
            "text": mail.get_body(("plain",)).get_content(),
            "attachments": [
                {
                    "type": part.get_content_type(),
                    "begins": part.get_content()[:3].hex(),
                    "base64": base64.b64encode(part.get_content()).decode(),
                }
                for part in mail.walk()
                if part.get_content_maintype() == "image"
            ],
        }) + "\n")
        sys.stdout.flush()
        return "250 2.0.0 taken"


def knows(server, session, envelope, mechanism, data):
    right = LoginPassword(user.encode(), password.encode())
    if data == right:
        return AuthResult(success=True, auth_data=data)
    return AuthResult(success=False, handled=False)


tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain(certificate, key)


def session():
    return SMTP(
        Letterbox(),
        hostname="localhost",
        tls_context=tls,
        require_starttls=True,
        auth_required=True,
        authenticator=knows,
    )


# Not aiosmtpd's Controller: it gives itself a second to be connected to.
async def serve():
    listener = socket.socket(fileno=sys.stdin.fileno())
    server = await asyncio.get_running_loop().create_server(session, sock=listener)
    print(json.dumps("ready"), flush=True)
    await server.serve_forever()


asyncio.run(serve())
