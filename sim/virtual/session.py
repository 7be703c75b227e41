"""A session: virtual accelerators that this process, or a program that it starts, finds in place of real ones."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hwmodels.errors import InputError
from hwmodels.files import write_text
from sim.scenario import Scenario, parse_models
from sim.virtual.driver import FOLDER, PLAN, STATE
from sim.virtual.hook import HOOKED
from sim.virtual.hostload import HostLoad
from sim.virtual.library import NAMES
from sim.virtual.memory import Memory, make_memory
from sim.virtual.plan import Planned, make_plan, twins_of
from sim.virtual.planfile import RECORDED, TWIN, Settings, plan_text
from sim.virtual.records import PassRecord, read_passes

__all__ = ["Session", "devices"]

HERE = Path(__file__).parent
HOOK, PACKAGE = "hook", "edgetpusim_virtual"
#: Modules that the program's own Python runs.
DEVICE_CODE = ("abi", "delegate", "device", "driver", "loader", "logical", "memory", "planfile", "realtime", "twin")
SHARED_MEMORY = Path("/dev/shm")


class Session:
    """Virtual accelerators in a folder of their own: the plan, the shared state and the code that a program loads.

    Raises :class:`InputError` where the folder cannot be written, or where the system has no robust mutexes.
    """

    def __init__(self, scenario: Scenario, planned: Planned, folder: Path, recorded: Path | None = None) -> None:
        self.scenario, self.planned, self.folder = scenario, planned, folder
        self.load = HostLoad()
        if planned.plan.settings.outputs == TWIN:
            lines = [f"{sha256} {path}" for sha256, path in twins_of(planned).items()]
            write_text(folder / TWIN, "\n".join(lines))
        if recorded is not None:
            _copy_recorded(recorded, folder / RECORDED)
        settings = planned.plan.settings if recorded is None else planned.plan.settings._replace(outputs=RECORDED)
        write_text(folder / PLAN, plan_text(planned.plan._replace(settings=settings)))
        count = len(planned.plan.devices)
        try:
            self.memory: Memory = make_memory(folder / STATE, count, planned.plan.settings.capacity)
            _copy_device_code(folder / HOOK)
        except OSError as error:
            raise InputError.problem(str(folder), "cannot hold a session", error.strerror or str(error)) from None

    @property
    def is_compiled(self) -> bool:
        """Whether the devices are those in C."""
        return (self.folder / NAMES[0]).exists()

    def environment(self) -> dict[str, str]:
        """Return the environment in which a program finds the devices: their C form where it was built."""
        if self.is_compiled:
            libraries = [str(self.folder), os.environ.get("LD_LIBRARY_PATH", "")]
            return {
                **os.environ, FOLDER: str(self.folder), "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries))
            }  # fmt: skip
        paths = [str(self.folder / HOOK), os.environ.get("PYTHONPATH", "")]
        return {**os.environ, FOLDER: str(self.folder), "PYTHONPATH": os.pathsep.join(filter(None, paths))}

    def report(self) -> dict[str, Any]:
        """What the devices did so far, and what the simulator predicts: see :func:`sim.virtual.report.summarise`."""
        from sim.virtual.report import summarise

        return summarise(self)

    def passes(self) -> list[PassRecord]:
        """The passes that the devices' logs hold, in order of their ends."""
        return read_passes(self.memory, len(self.planned.plan.devices))

    def write_timeline(self, path: Path) -> int:
        """Write a Perfetto trace of what happened so far and return the number of its slices."""
        from sim.virtual.spans import write_timeline

        return write_timeline(path, self.planned, self.passes())

    def idle_reason(self) -> str:
        """Say why no device was used."""
        if not self.memory.state.attached:
            if not ((self.folder / HOOKED).exists() or self.is_compiled):
                return "no Python of the program read PYTHONPATH (python -I, -E, or a compiled program: see --library)"
            return "the program loaded no libedgetpu"
        return "the program loaded libedgetpu and ran no inference"


def _copy_recorded(source: Path, target: Path) -> None:
    """Put recorded outputs where every process of the session finds them."""
    try:
        content = source.read_bytes()
    except OSError as error:
        raise InputError.problem(f"--outputs {source}", "cannot be read", error.strerror or "") from None
    if not content:
        raise InputError.problem(
            f"--outputs {source}", "is empty", "give the outputs of inferences, one after the other"
        )
    target.write_bytes(content)


def _copy_device_code(target: Path) -> None:
    """Put the device's modules where they cannot hide a module of the program's."""
    package = target / PACKAGE
    package.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "hook.py", target / "sitecustomize.py")
    (package / "__init__.py").write_text("")
    for name in DEVICE_CODE:
        shutil.copyfile(HERE / f"{name}.py", package / f"{name}.py")


@contextmanager
def session_folder() -> Iterator[Path]:
    """Yield a new folder in shared memory where there is some, and remove it afterwards."""
    place = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="edgetpusim-", dir=place) as folder:
        yield Path(folder)


@contextmanager
def devices(
    scenario: Scenario, files: Sequence[str | Path] = (), settings: Settings | None = None, recorded: Path | None = None
) -> Iterator[Session]:
    """Put virtual accelerators in place of real ones, for this process and those that it starts.

    Parameters
    ----------
    scenario
        Accelerators, sizes, links, clock and host as in a simulation; its models and threads are what the answer is
        compared with.
    files
        Compiled files that are run; the scenario's models where none are given.
    settings
        Clock and outputs.
    recorded
        A file of outputs, one inference after the other, in place of zeros or noise.

    Yields
    ------
    Session
        Valid until the block ends.

    Raises
    ------
    InputError
        For files and options that do not fit; see :func:`sim.virtual.plan.make_plan`.
    """
    from sim.virtual.loader import install

    paths = [Path(file) for file in files or [name for name, _ in parse_models(scenario.models)]]
    planned = make_plan(scenario, paths, settings)
    with session_folder() as folder:
        session = Session(scenario, planned, folder, recorded)
        install()
        with _environment(session.environment()):
            yield session


@contextmanager
def _environment(names: dict[str, str]) -> Iterator[None]:
    """Set what programs and this process look for, and put back what was there."""
    before = {name: os.environ.get(name) for name in (FOLDER, "PYTHONPATH")}
    os.environ.update({name: names[name] for name in before})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
