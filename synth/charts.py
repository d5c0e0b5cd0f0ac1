"""What every page with plots needs: the script that draws them, and their pictures."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

import vl_convert

from synth.io import read_text, replacing
from synth.models import cache_dir

_END = re.compile("</(?=script)", re.IGNORECASE)


@cache
def vega() -> str:
    """Return what draws the plots in a browser, to stand inside of a script element.

    It takes a second or two to make and is kept in the cache.
    """
    path = cache_dir() / "vega" / f"{version('vl-convert-python')}.js"
    if not path.exists():
        with replacing(path) as file:
            script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
            file.write(embedded(script).encode())
    return read_text(path)


def embedded(script: str) -> str:
    """Return a script or JSON that can stand inside of a script element."""
    # Not every "</": in JavaScript it may be the beginning of a regular expression's end.
    return _END.sub(r"<\\/", script).replace("<!--", "<\\!--")


def save_pictures(plots: Mapping[str, str], folder: Path) -> list[Path]:
    """Write each plot as PNG into ``folder`` and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, specification in plots.items():
        (path := folder / f"{name}.png").write_bytes(
            vl_convert.vegalite_to_png(specification, scale=2)
        )
        paths.append(path)
    return paths
