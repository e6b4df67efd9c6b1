"""As much of Twilio's API over HTTPS as placing and following calls takes, and looking whether they
could be placed. A line of JSON for each
request that places one. Every call is answered, and over when it is asked for the second time.

Usage: telephone_service.py CERTIFICATE KEY ACCOUNT TOKEN <LISTENING SOCKET
"""

import base64
import http.server
import json
import socket
import ssl
import sys
import urllib.parse

certificate, key, account, token = sys.argv[1:]
calls = {}


class Exchange(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refused(self):
        right = "Basic " + base64.b64encode(f"{account}:{token}".encode()).decode()
        if self.headers["Authorization"] == right:
            return False
        self.answer(401, {"code": 20003, "message": "Authenticate", "status": 401})
        return True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
        if self.refused():
            return
        if self.path != f"/2010-04-01/Accounts/{account}/Calls.json":
            return self.answer(200, {"sid": "?", "status": "completed"})
        form = dict(urllib.parse.parse_qsl(body, strict_parsing=True))
        # One write, newline and all: calls come side by side.
        placed = {"type": self.headers["Content-Type"], "form": form}
        sys.stdout.write(json.dumps(placed) + "\n")
        sys.stdout.flush()
        sid = f"CA{len(calls):032x}"
        calls[sid] = 0
        self.answer(201, {"sid": sid, "status": "queued", "to": form["To"], "from": form["From"]})

    def do_GET(self):
        if self.refused():
            return
        path = self.path.split("?")[0]
        if path == f"/2010-04-01/Accounts/{account}.json":
            return self.answer(200, {"sid": account, "status": "active", "type": "Full"})
        if path == f"/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json":
            asked = urllib.parse.parse_qs(self.path.partition("?")[2])
            number = {"phone_number": asked["PhoneNumber"][0], "capabilities": {"voice": True}}
            return self.answer(200, {"incoming_phone_numbers": [number]})
        sid = path.rsplit("/", 1)[1].removesuffix(".json")
        if sid not in calls:
            return self.answer(200, {"sid": account, "calls": []})
        calls[sid] += 1
        status = "in-progress" if calls[sid] < 2 else "completed"
        self.answer(200, {"sid": sid, "status": status})

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exchange, bind_and_activate=False)
server.socket.close()
tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain(certificate, key)
# The handshake belongs to the connection's own thread, not to the one that accepts.
listener = socket.socket(fileno=sys.stdin.fileno())
server.socket = tls.wrap_socket(listener, server_side=True, do_handshake_on_connect=False)
print(json.dumps("ready"), flush=True)
server.serve_forever()
