"""URLs are fetched within limits, and never from where only this machine can look."""

import contextlib
import gzip
import itertools
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from synth.errors import IngestError
from synth.reading import web
from synth.reading.web import fetch, is_public, redact

BODY = b"<h1>Tides</h1>"


class Handler(BaseHTTPRequestHandler):
    """Answers in all the ways that the web does."""

    def do_GET(self):
        getattr(self, f"answer_{self.path.strip('/').partition('.')[0].partition('?')[0]}")()

    def send(self, body=BODY, status=200, length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def answer_page(self):
        self.send(Content_Type="text/html; charset=utf-8")

    def answer_named(self):
        self.send(Content_Disposition='attachment; filename="the/ tides.pdf"')

    def answer_missing(self):
        self.send(status=404)

    def answer_bomb(self):
        self.send(gzip.compress(bytes(30 << 20)), Content_Encoding="gzip")

    def answer_cut(self):
        self.send(length=1000)
        self.connection.close()

    def answer_loop(self):
        self.send(status=302, Location="/loop")

    def answer_moved(self):
        self.send(status=302, Location="/page.html?token=abc")

    def answer_away(self):
        self.send(status=302, Location=f"http://127.0.0.2:{self.server.server_port}/page")

    def answer_file(self):
        self.send(status=302, Location="file:///etc/passwd")

    def answer_endless(self):
        self.send_response(200)
        self.end_headers()
        for _ in itertools.count():
            self.wfile.write(bytes(1 << 16))

    def answer_drip(self):
        self.send_response(200)
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"x" * 70_000)
            time.sleep(0.05)

    def answer_silent(self):
        time.sleep(3)

    def log_message(self, *args):
        pass

    def handle(self):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            super().handle()


@pytest.fixture(scope="module")
def server():
    server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def get(server, make_config, tmp_path):
    def call(path, *overrides, private=True):
        settings = (f"ingest.private_urls={private}", "ingest.max_download_mib=2", *overrides)
        return fetch(f"{server}/{path}", tmp_path, make_config(*settings).ingest)

    return call


def test_body_name_and_type_are_told(get, server):
    found = get("page")
    assert found.path.read_bytes() == BODY
    assert (found.name, found.media_type) == ("page.html", "text/html; charset=utf-8")
    assert found.url == f"{server}/page"


def test_server_may_name_the_file(get):
    assert get("named").name == "tides.pdf"


def test_redirect_is_followed_and_its_secrets_are_not_told(get, server):
    assert get("moved").url == f"{server}/page.html?token=***"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing", "answers with 404"),
        ("bomb", "larger than ingest.max_download_mib=2"),
        ("endless", "larger than ingest.max_download_mib=2"),
        ("cut", "can't be fetched: .*IncompleteRead"),
        ("loop", "redirects more than 5 times"),
        ("file", "can't be fetched"),
    ],
)
def test_what_can_not_be_had_is_told(get, server, path, message):
    with pytest.raises(IngestError, match=message) as caught:
        get(path)
    assert caught.value.path == f"{server}/{path}"


@pytest.mark.parametrize("path", ["drip", "silent"])
def test_time_is_limited(get, path):
    with pytest.raises(IngestError, match=r"ingest\.timeout_s=0\.5"):
        get(path, "ingest.timeout_s=0.5")


def test_closed_port_is_told(tmp_path, make_config):
    config = make_config("ingest.private_urls=true").ingest
    with pytest.raises(IngestError, match=r"can't be fetched: .*refused"):
        fetch("http://127.0.0.1:9/x", tmp_path, config)


def test_private_address_is_refused(get):
    with pytest.raises(IngestError, match=r"is at 127\.0\.0\.1, which is not public.*private_urls"):
        get("page", private=False)


def test_redirect_to_a_private_address_is_refused(get, monkeypatch):
    monkeypatch.setattr(web, "is_public", lambda address: address == "127.0.0.1")
    assert get("page", private=False).path.read_bytes() == BODY
    with pytest.raises(IngestError, match=r"is at 127\.0\.0\.2, which is not public"):
        get("away", private=False)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public_addresses(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "::1", "fe80::1%eth0", "fd00::1", "ff02::1", "::"),
        *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:169.254.169.254"),
    ],
)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pw@example.org/a?b=c", "https://example.org/a?b=c"),
        ("https://e.org/?X-Amz-Signature=s&id=3", "https://e.org/?X-Amz-Signature=***&id=3"),
        ("https://e.org/?api_key=s", "https://e.org/?api_key=***"),
        ("https://e.org/a%20b?q=x%20y", "https://e.org/a%20b?q=x%20y"),
        ("https://e.org/?monkey=1", "https://e.org/?monkey=***"),
    ],
)
def test_secrets_are_hidden(url, shown):
    assert redact(url) == shown
