"""kreuzberg, as it is used here: in this process, on one thread, without its cache."""

from typing import Any


def parse(data: bytes, media_type: str, output: str = "markdown", **options: Any) -> Any:
    """Return kreuzberg's result for a file of a media type.

    Raises:
        Exception: of many kinds, if the file is broken.
    """
    from kreuzberg import ConcurrencyConfig, ExtractionConfig, extract_bytes_sync

    config = ExtractionConfig(
        use_cache=False,
        output_format=output,
        concurrency=ConcurrencyConfig(max_threads=1),
        **options,
    )
    try:
        return extract_bytes_sync(data, media_type, config=config)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Rust, and no Exception
            raise
        raise RuntimeError("the parser gave up") from error
