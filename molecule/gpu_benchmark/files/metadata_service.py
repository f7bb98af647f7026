"""Stands in for a host's metadata service, version 2: the host is taken back as soon as it has trained an epoch.

Called with the port, the file that the training writes its progress to, and the file where the answers are noted. Once
given, the notice stands.
"""

import http.server
import json
import pathlib
import sys

PORT, PROGRESS, ANSWERS = int(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
NOTICE = {"action": "stop", "time": "2026-11-22T18:00:00Z"}
TOKEN = "token-of-the-stand-in"


class Handler(http.server.BaseHTTPRequestHandler):
    """The two addresses that a watch of the notices asks; without the token there is no answer."""

    taken_back = False

    def do_PUT(self):
        known = self.path == "/latest/api/token" and "X-aws-ec2-metadata-token-ttl-seconds" in self.headers
        self.answer(200 if known else 400, TOKEN if known else "")

    def do_GET(self):
        if PROGRESS.exists() and " epoch 1/" in PROGRESS.read_text():
            Handler.taken_back = True
        if self.headers["X-aws-ec2-metadata-token"] != TOKEN:
            self.answer(401)
        elif self.path == "/latest/meta-data/spot/instance-action" and self.taken_back:
            self.answer(200, json.dumps(NOTICE))
        else:
            self.answer(404)

    def answer(self, code, text=""):
        with ANSWERS.open("a") as answers:
            answers.write(f"{self.command} {code}\n")
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
