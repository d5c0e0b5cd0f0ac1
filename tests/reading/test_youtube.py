"""Transcripts of videos become text; without the library that is said."""

import json
import sys

import pytest
import requests

from synth.errors import IngestError
from synth.reading.youtube import is_video, read_transcript, to_text, video_id

URL = "https://www.youtube.com/watch?v=abcdefghijk"
PAGE = '<html>"INNERTUBE_API_KEY":"key"</html>'
SPOKEN = (
    '<transcript><text start="0" dur="2">The sea &amp;amp; the</text>'
    '<text start="2" dur="1">Moon.</text><text start="9" dur="1">Tides.</text></transcript>'
)


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "https://youtu.be/abcdefghijk?t=3",
        "https://m.youtube.com/shorts/abcdefghijk",
        "https://www.youtube.com/embed/abcdefghijk",
        "https://music.youtube.com/watch?list=x&v=abcdefghijk",
    ],
)
def test_videos_are_known(url):
    assert video_id(url) == "abcdefghijk"


@pytest.mark.parametrize(
    "url", ["https://youtube.com/@someone", "https://example.org/watch?v=abcdefghijk"]
)
def test_other_pages_are_no_videos(url):
    assert not is_video(url)


def test_pauses_make_paragraphs():
    said = [("one\ntwo", 0, 1), ("three", 1.5, 1), ("four", 5, 1)]
    assert to_text(said) == "one two\nthree\n\nfour"
    assert to_text([]) == ""


@pytest.fixture
def site(monkeypatch):
    """Answer the requests of the library as the site does."""
    player = {"playabilityStatus": {"status": "OK"}}

    def send(self, request, **options):
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, request.url
        if "timedtext" in request.url:
            response._content = SPOKEN.encode()
        else:
            response._content = (PAGE if "/watch" in request.url else json.dumps(player)).encode()
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    return player


def track(code, kind=None):
    url = f"https://www.youtube.com/api/timedtext?lang={code}"
    name = {"runs": [{"text": code}]}
    return {"baseUrl": url, "name": name, "languageCode": code, "kind": kind}


def test_transcript_is_read(site):
    tracks = {"captionTracks": [track("de"), track("en", "asr")]}
    site["captions"] = {"playerCaptionsTracklistRenderer": tracks}
    assert read_transcript(URL) == "The sea & the\nMoon.\n\nTides."


def test_video_without_transcript_is_told(site):
    with pytest.raises(IngestError, match="has no transcript that can be had"):
        read_transcript(URL)


def test_missing_library_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "youtube_transcript_api", None)
    with pytest.raises(IngestError, match="pip install youtube-transcript-api"):
        read_transcript(URL)
