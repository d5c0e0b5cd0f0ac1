"""A stand-in for the Hugging Face hub that takes datasets; standard library only."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN, READ_TOKEN = "hf_writes", "hf_reads"
_COMMIT = "1" * 40


class DatasetHub:
    """One dataset repository: what it was made as, and its files after each commit."""

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.commits: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.blobs: dict[str, bytes] = {}
        self.large = "lfs"
        """How tables come: ``lfs``, before the commit, or ``regular``, in it."""
        self.put_status = 200
        hub = self

        class Own(_Handler):
            pass

        Own.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def commit(self, lines: list[dict[str, Any]]) -> None:
        self.commits.append(lines[0]["value"])
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.files[value["path"]] = self.blobs[value["oid"]]
            else:
                del self.files[value["path"]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: DatasetHub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token != TOKEN:
            self.reply({"error": "no"}, 403 if token == READ_TOKEN else 401)
        elif self.path == "/api/repos/create":
            self.create(json.loads(body))
        elif self.path == "/api/validate-yaml":
            self.reply({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = json.loads(body)["files"]
            self.reply({"files": [self.mode(file["path"]) for file in files]})
        elif self.path.endswith(".git/info/lfs/objects/batch"):
            self.reply({"objects": [self.place(one) for one in json.loads(body)["objects"]]})
        elif "/commit/" in self.path:
            self.hub.commit([json.loads(line) for line in body.splitlines()])
            url = f"{self.hub.url}/datasets/owner/name/commit/{_COMMIT}"
            self.reply({"commitUrl": url, "commitOid": _COMMIT})
        else:
            self.reply({}, 404)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.hub.blobs[hashlib.sha256(body).hexdigest()] = body
        self.reply({}, self.hub.put_status)

    def do_GET(self) -> None:
        if "/tree/" in self.path:
            self.reply([_entry(path, data) for path, data in self.hub.files.items()])
        else:
            siblings = [{"rfilename": path} for path in self.hub.files]
            self.reply({"id": "owner/name", "sha": _COMMIT, "siblings": siblings})

    def create(self, asked: dict[str, Any]) -> None:
        status = 409 if self.hub.created else 200
        self.hub.created.append(asked)
        self.reply({"url": f"{self.hub.url}/datasets/owner/name", "id": "owner/name"}, status)

    def mode(self, path: str) -> dict[str, Any]:
        mode = self.hub.large if path.endswith(".parquet") else "regular"
        return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": None}

    def place(self, one: dict[str, Any]) -> dict[str, Any]:
        return {**one, "actions": {"upload": {"href": f"{self.hub.url}/put/{one['oid']}"}}}

    def reply(self, value: Any, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _entry(path: str, data: bytes) -> dict[str, Any]:
    return {
        "type": "file",
        "path": path,
        "size": len(data),
        "oid": hashlib.sha1(data).hexdigest(),
    }
