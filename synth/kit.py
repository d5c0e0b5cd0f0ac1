"""The Python door: Unsloth's ``SyntheticDataKit``, on the parts that the program itself runs on.

Constructor, methods, defaults, return values and file names are those of the original
(unsloth/dataprep/synthetic.py), so that a script needs another import line and no more. What it
does otherwise, and why, is in docs/kit.md.
"""

import logging
import os
import time
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from synth.arguments import Arguments, named_as_arguments
from synth.chunk_files import is_chunk, write_chunks
from synth.config import Config
from synth.cutting.token import cut_tokens
from synth.errors import ConfigError
from synth.io import read_jsonl
from synth.jobs import run_job
from synth.loop import run_async
from synth.models import cache_dir, resolve_model
from synth.qa_config import Layout, write_qa_config
from synth.reading.plain import read_text_of
from synth.records import Pair
from synth.rows import PAIRS, is_kept
from synth.server import ready
from synth.server.fleet import Fleet
from synth.server.lease import open_session
from synth.serving import plan_serving
from synth.tokens import Tokenizer

log = logging.getLogger(__name__)

Filename = str | os.PathLike[str]

_CONFIG_NAME = "synthetic_data_kit_config.yaml"
_UNPREPARED = {"chunk.size": 8, "chunk.overlap": 0, "gen.max_tokens": 16}
"""Budgets that contradict no length: the real ones come with ``prepare_qa_generation``."""

_KEPT_S = 7 * 24 * 3600

_living: "weakref.WeakSet[SyntheticDataKit]" = weakref.WeakSet()


class SyntheticDataKit:
    """A vLLM server with a model, and what makes question-answer pairs with it.

    The server is ready when the constructor returns, and gone after :meth:`cleanup`, the end of a
    ``with`` block, the end of the process (however it ends), or when nothing refers to the kit.

        with SyntheticDataKit.from_pretrained("unsloth/Llama-3.2-3B-Instruct") as kit:
            kit.prepare_qa_generation(max_generation_tokens=512)
            files = kit.chunk_data("manual.txt")        # for the external tool
            pairs = kit.generate(["manual.txt"])        # or the whole job, here

    Attributes:
        max_seq_length: prompt and reply together, in tokens.
        endpoint: where the server answers: its URL and the name to ask for.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (the original's)
        self,
        model_name: Filename = "unsloth/Llama-3.1-8B-Instruct-unsloth-bnb-4bit",
        max_seq_length: int = 2048,
        gpu_memory_utilization: float = 0.98,
        float8_kv_cache: bool = False,
        conservativeness: float = 1.0,
        token: str | None = None,
        timeout: float | None = 1200,
        *,
        overrides: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        """Start the server and wait until it is ready.

        Args:
            model_name: Hugging Face id, local folder, or ``bundled/smollm2``.
            max_seq_length: prompt and reply together, in tokens.
            gpu_memory_utilization: share of the GPU memory that is free now, as in the original;
                with ``overrides=["memory=auto"]`` the share of all of it, as vLLM means it.
            float8_kv_cache: keep the KV cache in 8 bits.
            conservativeness: share of the usual number of sequences at a time, from 0 to 1.
            token: Hugging Face token; None = ``HF_TOKEN`` of the environment.
            timeout: longest wait until the server is ready, in seconds; None = no limit.
            overrides: any setting of synth, as on its command line; they win over arguments.
            **kwargs: any flag of vLLM, such as ``max_num_seqs=64``.

        Raises:
            ConfigError: a setting is wrong, or the model can't fit (a ValueError).
            ServerError: the server did not start (a RuntimeError).
        """
        base = ["memory=unsloth", "chunk=full", "tracking=none"]
        self._arguments = Arguments.below(overrides, base).given(
            model_name=model_name,
            max_seq_length=max_seq_length,
            gpu_memory_utilization=gpu_memory_utilization,
            float8_kv_cache=float8_kv_cache,
            conservativeness=conservativeness,
            token=token,
            timeout=float("inf") if timeout is None else timeout,
        )
        self._arguments = self._arguments.given_flags(kwargs)
        self._prepared: Config | None = None
        self._layouts: list[Layout] = []
        self._longest_chars = 0
        self._stack = ExitStack()
        self._close = weakref.finalize(self, _close, self._stack, os.getpid())
        try:
            self._start()
        except BaseException:
            self._close()
            raise
        _living.add(self)

    @classmethod
    def from_pretrained(
        cls,
        model_name: Filename = "unsloth/Llama-3.1-8B-Instruct-unsloth-bnb-4bit",
        max_seq_length: int = 2048,
        gpu_memory_utilization: float = 0.9,
        *args: Any,
        **kwargs: Any,
    ) -> Self:
        """Return a kit; as the constructor, with a smaller default share of the GPU."""
        return cls(model_name, max_seq_length, gpu_memory_utilization, *args, **kwargs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.cleanup()

    def cleanup(self) -> None:
        """End the server and everything that it started; return when it is gone."""
        self._close()
        _living.discard(self)

    def check_vllm_status(*kits: "SyntheticDataKit") -> bool:
        """Return whether the server answers; called on the class, whether that of any kit does."""
        return any(kit._answers() for kit in kits or tuple(_living))  # noqa: SLF001

    def prepare_qa_generation(  # noqa: PLR0913, PLR0917  (the original's)
        self,
        output_folder: Filename = "data",
        max_generation_tokens: int = 512,
        temperature: float = 0.7,
        top_p: float = 0.95,
        overlap: int = 64,
        default_num_pairs: int = 25,
        cleanup_threshold: float = 1.0,
        cleanup_batch_size: int = 4,
        cleanup_temperature: float = 0.3,
    ) -> None:
        """Set how pairs are made, make the folders and write the external tool's config.

        The config is written to the current folder, where the original has it, and to
        ``output_folder``, where no other kit overwrites it.

        Args:
            output_folder: gets the folders pdf, html, …, output, generated, cleaned and final.
            max_generation_tokens: longest reply; chunks get what two of them leave.
            temperature: randomness of the replies, from 0 to 2.
            top_p: nucleus sampling, share of the probability kept.
            overlap: tokens that neighbouring chunks share.
            default_num_pairs: pairs for each chunk.
            cleanup_threshold: lowest rating that is kept, from 0 to 10.
            cleanup_batch_size: pairs that are rated in one request.
            cleanup_temperature: randomness of the ratings.

        Raises:
            ConfigError: with all settings that are wrong (a ValueError and a RuntimeError).
        """
        arguments = self._arguments.given(
            max_generation_tokens=max_generation_tokens,
            temperature=temperature,
            top_p=top_p,
            overlap=overlap,
            default_num_pairs=default_num_pairs,
            cleanup_threshold=cleanup_threshold,
            cleanup_batch_size=cleanup_batch_size,
            cleanup_temperature=cleanup_temperature,
        )
        self._prepared = arguments.compose(self._settled)
        self._arguments = arguments
        self.max_generation_tokens = self._prepared.gen.max_tokens
        self.overlap = self._prepared.chunk.overlap
        data = Path(output_folder).absolute()
        self._longest_chars = 0
        self._layouts = [
            Layout(folder / _CONFIG_NAME, data, parsed="output", curated="cleaned")
            for folder in (Path.cwd(), data)
        ]
        self._write_config()

    def chunk_data(self, filename: Filename) -> list[str]:
        """Cut a text into chunks, write each beside it as ``{stem}_{i}{suffix}``, return the names.

        A chunk is the original text to the character. Chunks that an earlier call has left for
        this document are replaced; a file of the user's is never overwritten, the chunks get a
        longer stem instead; and a file that is a chunk itself has none.

        Raises:
            ConfigError: if ``prepare_qa_generation`` was not called before.
            IngestError: if the file can't be read.
        """
        if self._prepared is None:
            raise ConfigError(["call prepare_qa_generation before chunk_data"])
        path = Path(filename)
        if is_chunk(path):
            log.warning("%s is a chunk that chunk_data has written; it is not cut again", path)
            return []
        if path.is_file() and not path.read_bytes().strip():
            write_chunks(path, [])
            return []
        config, text = self._prepared, read_text_of(path, self._prepared.ingest)
        spans = cut_tokens(text, self._tokenizer, config.chunk_size, config.chunk.overlap)
        texts = [text[span.start : span.end] for span in spans]
        files = write_chunks(path, texts)
        longest = max(map(len, texts))
        if longest > self._longest_chars:  # it must stay one chunk in the external tool
            self._longest_chars = longest
            self._write_config()
        return [str(file) for file in files]

    def generate(
        self, docs: Filename | Sequence[Filename], folder: Filename | None = None
    ) -> list[Pair]:
        """Run the whole job on this kit's server: read, cut, ask, curate, export; return the pairs.

        Those are the pairs that are kept; ``pairs.jsonl`` in the folder has the others, too.

        Args:
            docs: a file, a folder, a glob, or a list of them.
            folder: where all of it is written; None = a new one under ``output_folder``.

        Raises:
            ServerDied: the kit's server has ended.
            SynthError: what else ended the job; single documents and replies that fail are rows of
                ``failures.jsonl`` instead.
        """
        if not self._close.alive:
            raise ConfigError(["this kit was cleaned up; make a new one"])
        self._fleet.check_alive()
        names = [docs] if isinstance(docs, str | os.PathLike) else docs
        docs = [os.fspath(name) for name in names]
        config = self._arguments.compose({**self._settled, "docs": docs})
        data = self._layouts[-1].data if self._layouts else Path("data")
        now = datetime.now().astimezone()
        run = Path(folder or data / "runs" / f"{now:%Y-%m-%d_%H-%M-%S-%f}").absolute()
        with named_as_arguments():
            run_job(config, run, self._session, serving=self._serving)
        self.endpoint = self._fleet.follow()  # it may have been started again
        if self._prepared is not None:
            self._write_config()
        rows = read_jsonl(run / PAIRS)
        return [Pair.from_row(row) for row in rows if is_kept(row)]

    def _start(self) -> None:
        config = self._arguments.compose(_UNPREPARED)
        with named_as_arguments():
            model = resolve_model(config.model)
            self._session = self._stack.enter_context(open_session(with_key=False))
            self._serving = plan_serving(config, model, self._session.machine())
        self.max_seq_length = self._serving.config.model.max_seq_length
        # The plan may have shortened it, which chunks have to know.
        self._settled = {"model.max_seq_length": self.max_seq_length}
        self._tokenizer = Tokenizer(model.tokenizer_path())
        log_path = _log_folder() / f"{self._session.folder.name}.log"
        self._fleet = Fleet(self._session, self._serving.ladders, config.server, log_path)
        self.endpoint = run_async(self._fleet.wait_for_all)

    def _answers(self) -> bool:
        return bool(self._close.alive and run_async(lambda: ready.is_ready(self.endpoint)))

    def _write_config(self) -> None:
        assert self._prepared is not None
        for layout in self._layouts:
            write_qa_config(self._prepared, self.endpoint, layout, self._longest_chars)


def _close(stack: ExitStack, owner: int) -> None:
    if os.getpid() == owner:  # a fork of the user's program does not end its parent's server
        stack.close()


def _log_folder() -> Path:
    """Return where the servers' logs are kept, for some days: an error may name one."""
    folder = cache_dir() / "logs"
    for log_path in folder.glob("*.log"):
        if time.time() - log_path.stat().st_mtime > _KEPT_S:
            log_path.unlink(missing_ok=True)
    return folder
