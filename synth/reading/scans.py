"""Pages that are pictures: recognised by tesseract, where it is installed.

Each page is an image that kreuzberg renders. It could recognise whole documents, too, but then it
doesn't tell the pages, passes over those that stand among pages of text, and is silent about a
language that is not installed.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from synth.config.dataset import IngestConfig
from synth.errors import IngestError

_DPI = 200


def why_unreadable(config: IngestConfig) -> str | None:
    """Return what has to be done before scans can be read, or None if they can."""
    if config.ocr == "never":
        return "ingest.ocr=auto reads it where tesseract is installed"
    if shutil.which("tesseract") is None:
        return "install tesseract, ingest.ocr=auto reads it then"
    lacking = set(config.ocr_language.split("+")) - _languages()
    if lacking:
        return f"tesseract lacks the language {' and '.join(sorted(lacking))}: install it"
    return None


def recognise(pdf: Path, pages: Sequence[int], config: IngestConfig, path: str) -> dict[int, str]:
    """Return the text of pages, which are counted from 1; "" for what has none.

    Raises:
        IngestError: if a page can't be rendered or tesseract fails.
    """
    from kreuzberg import render_pdf_page

    texts = {}
    for page in pages:
        try:
            image = render_pdf_page(str(pdf), page - 1, dpi=_DPI)
        except Exception as error:  # its kinds are many
            raise IngestError(f"can't be rendered (page {page}): {error}", path) from error
        texts[page] = _recognise(image, config.ocr_language, path)
    return texts


def _recognise(image: bytes, language: str, path: str) -> str:
    done = subprocess.run(
        ["tesseract", "-", "-", "-l", language, "--dpi", str(_DPI)],
        input=image,
        capture_output=True,
        check=False,
        env={**os.environ, "OMP_THREAD_LIMIT": "1"},
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or f"exit {done.returncode}"
        raise IngestError(f"can't be recognised by tesseract: {said.splitlines()[-1]}", path)
    return done.stdout.decode(errors="replace").strip("\f\n ")


@cache
def _languages() -> frozenset[str]:
    done = subprocess.run(
        ["tesseract", "--list-langs"], capture_output=True, text=True, check=False
    )
    return frozenset(done.stdout.split("\n")[1:])
