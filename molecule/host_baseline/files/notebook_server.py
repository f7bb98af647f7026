"""Stands in for a notebook server: answers /api/kernels with what is in the file KERNELS, to whoever has the token.

Called with the port, the token's file and the kernels' file.
"""

import http.server
import pathlib
import sys

PORT, TOKEN, KERNELS = int(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])


class Handler(http.server.BaseHTTPRequestHandler):
    """The two addresses that the idle guard asks; a real server of old has no terminals."""

    def do_GET(self):
        allowed = self.headers["Authorization"] == "token " + TOKEN.read_text().strip()
        known = self.path == "/api/kernels"
        self.send_response(403 if not allowed else 200 if known else 404)
        self.end_headers()
        if allowed and known:
            self.wfile.write(KERNELS.read_bytes())


http.server.HTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
