"""Jobs are checked before anything is started, and run one by one; sweeps run theirs side by side."""

from collections.abc import Sequence
from pathlib import Path

from synth.address import check_store
from synth.config import Config
from synth.curation import prepare_curation
from synth.errors import ConfigError
from synth.export import check_templates, check_token
from synth.external import find_tool
from synth.job import Job, Surroundings
from synth.loop import run_async
from synth.models import Model, download, resolve_model
from synth.place import Place
from synth.qa import Kind
from synth.record import Summary, read_record
from synth.server.fleet import Launches
from synth.server.lease import Session
from synth.serving import Serving, plan_serving
from synth.shared import Shared
from synth.sources import Location, find_documents

_NEED_MODEL = frozenset({"serve", "chunk"})


class Preparation:
    """The checks of jobs before anything is started; what equals for many is done once."""

    def __init__(self, session: Session, *, elsewhere: bool = False) -> None:
        """Check for the machine of ``session``.

        Args:
            elsewhere: other machines will run the jobs and start their servers; what they need
                from the network is fetched here.
        """
        self._session = session
        self._elsewhere = elsewhere
        self._sources: dict[tuple[str, ...], list[Location]] = {}
        self._models: dict[str, Model] = {}
        self._servings: dict[str, Serving] = {}

    def prepare(self, config: Config, serving: Serving | None = None) -> Job:
        """Return the job, ready to be run.

        Args:
            serving: the server that it is run on, where that is settled already.

        Raises:
            ConfigError: with what can't be run.
        """
        sources = self._find(config.docs_list) if "ingest" in config.steps else []
        Kind(config.qa)  # a bad template or schema is found before anything starts
        aids = prepare_curation(config)
        check_templates(config)
        check_token(config)
        check_store(config.tracking)
        needs_tool = config.qa.engine == "synthetic-data-kit" and "generate" in config.steps
        tool = find_tool(config.qa) if needs_tool else ()
        model = self._resolve(config) if _NEED_MODEL & set(config.steps) else None
        if serving is None and model is not None and (plan := self._plan(config, model)):
            serving, config = plan, plan.config
        return Job(config, sources, tool, model, serving, aids)

    def _find(self, docs: Sequence[str]) -> list[Location]:
        if (key := tuple(docs)) not in self._sources:
            self._sources[key] = find_documents(docs)
        return self._sources[key]

    def _resolve(self, config: Config) -> Model:
        key = repr(config.model)
        if key not in self._models:
            self._models[key] = resolve_model(config.model)
            if (self._elsewhere or config.shards) and _is_served(config):
                download(self._models[key])
        return self._models[key]

    def _plan(self, config: Config, model: Model) -> Serving | None:
        if self._elsewhere or config.shards or not _is_served(config):
            return None
        key = repr((config.model, config.memory, config.server))
        if key not in self._servings:
            self._servings[key] = plan_serving(config, model, self._session.machine())
        return self._servings[key].adapt(config)


def run_job(
    config: Config,
    folder: Path,
    session: Session,
    overrides: Sequence[str] = (),
    place: Place | None = None,
    serving: Serving | None = None,
) -> Summary:
    """Run one experiment in ``folder`` and return what it made.

    Args:
        session: what its server is started in, or found running.
        overrides: how the configuration was asked for, as typed.
        place: its place in a sweep, if it is a job of one.
        serving: the server that it is run on, where that is settled already.

    Raises:
        SynthError: as :meth:`Job.run`.
    """
    check_new(folder)
    job = Preparation(session).prepare(config, serving)
    shared = Shared(session.folder / "shared") if place else Shared()
    around = Surroundings(session, Launches(session), shared=shared)
    return run_async(lambda: job.run(folder, around, overrides, place))


def check_new(folder: Path) -> None:
    """Raise ConfigError if there is a run in ``folder``."""
    if read_record(folder):
        raise ConfigError(
            [f"{folder} holds a run already: go on with it by resume=, or choose another folder"]
        )


def resume_job(config: Config, folder: Path, session: Session, overrides: Sequence[str]) -> Summary:
    """Go on with the run in ``folder``; otherwise as :func:`run_job`."""
    job = Preparation(session).prepare(config)
    around = Surroundings(session, Launches(session))
    return run_async(lambda: job.run(folder, around, overrides))


def _is_served(config: Config) -> bool:
    return config.server.kind == "managed" and "serve" in config.steps
