"""What is said in a video, as text: its transcript, where the library for it is installed."""

import re
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

from synth.errors import IngestError

_PAUSE_S = 2.0
"""Silence from which on a paragraph begins."""
_PATH = re.compile(r"/(?:shorts|live|embed|v)/([\w-]{11})")


def video_id(url: str) -> str | None:
    """Return the id of the video that a URL shows; None if it shows none."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.").removeprefix("m.")
    if host == "youtu.be":
        return parts.path.strip("/") or None
    if host not in ("youtube.com", "youtube-nocookie.com", "music.youtube.com"):
        return None
    if parts.path == "/watch":
        return parse_qs(parts.query).get("v", [None])[0]
    found = _PATH.match(parts.path)
    return found[1] if found else None


def is_video(url: str) -> bool:
    """Return whether a URL shows a video of YouTube."""
    return video_id(url) is not None


def read_transcript(url: str) -> str:
    """Return what is said in a video, in the first language that it is there in.

    English goes first, and what people have written before what was recognised by machine.

    Raises:
        IngestError: if there is none, it can't be fetched, or the library is not installed.
    """
    try:
        from youtube_transcript_api import YouTubeTranscriptApi, YouTubeTranscriptApiException
    except ImportError as error:
        raise IngestError(
            "is a video, and its transcript needs a library: pip install youtube-transcript-api",
            url,
        ) from error
    try:
        transcripts = list(YouTubeTranscriptApi().list(video_id(url)))
        best = min(transcripts, key=lambda one: (one.language_code[:2] != "en", one.is_generated))
        snippets = best.fetch()
    except (YouTubeTranscriptApiException, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise IngestError(f"has no transcript that can be had: {reason}", url) from error
    return to_text([(one.text, one.start, one.duration) for one in snippets])


def to_text(snippets: list[tuple[str, float, float]]) -> str:
    """Return snippets (text, seconds at which it begins, its seconds) as paragraphs."""
    if not snippets:
        return ""
    text = _flat(snippets[0][0])
    for (_, begin_s, length_s), (said, next_s, _) in pairwise(snippets):
        is_pause = next_s - (begin_s + length_s) >= _PAUSE_S
        text += ("\n\n" if is_pause else "\n") + _flat(said)
    return text


def _flat(text: str) -> str:
    return " ".join(text.split())
