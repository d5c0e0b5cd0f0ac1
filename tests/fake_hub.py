"""A stand-in for the Hugging Face hub with one model, ``owner/model``; standard library only.

A JSON file holds a size of weights, any other its own name. Prints its address, then the path of every file that is fetched.
"""

import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0" * 40
FILES = sys.argv[1:]


def content(name: str) -> bytes:
    is_json = name.endswith(".json")
    return json.dumps({"metadata": {"total_size": 700}} if is_json else name).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/owner/model/resolve/") and path.split("/")[-1] in FILES:
            self.send_file(path.split("/")[-1])
        elif path.startswith("/api/models/owner/model/tree/"):
            self.reply(json.dumps([self.entry(name) for name in FILES]).encode())
        elif path.startswith("/api/models/owner/model"):
            siblings = [{"rfilename": name} for name in FILES]
            self.reply(
                json.dumps({"id": "owner/model", "sha": COMMIT, "siblings": siblings}).encode()
            )
        else:
            code = "EntryNotFound" if "/resolve/" in path else "RepoNotFound"
            self.reply(b"", 404, {"X-Error-Code": code})

    def entry(self, name: str) -> dict[str, object]:
        oid = hashlib.sha1(name.encode()).hexdigest()
        return {"type": "file", "path": name, "size": len(content(name)), "oid": oid}

    def send_file(self, name: str) -> None:
        if self.command == "GET":
            print(name, flush=True)
        headers = {"ETag": f'"{self.entry(name)["oid"]}"', "X-Repo-Commit": COMMIT}
        self.reply(content(name), 200, headers)

    def reply(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
