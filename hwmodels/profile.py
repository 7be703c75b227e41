"""Execution by profile: ``profile:FILE.csv#NAME`` replays measured stage times instead of a cycle model.

A profile file has one row for each stage of an inference, in order: ``name`` (of the profile), ``resource`` (cpu,
accelerator or memory), ``time_ns`` or ``time_ms``, and ``bytes``. Times are those of one thread on one core:

- ``cpu``: work on a host core, outside the accelerator.
- ``accelerator``: work of the accelerator's core; bytes moved meanwhile (if any) overlap with it.
- ``memory``: time for which the accelerator's core waits for its memory to move ``bytes``; bytes over time is the rate
  of the core's own port. Several cores contend for it (:mod:`sim.machine.memory`).

Accelerator and memory rows that follow each other are one pass through the accelerator. Other columns are ignored.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from math import isfinite
from pathlib import Path

from hwmodels.errors import InputError, either, nearest, reason
from hwmodels.networks.readers import PROFILE
from hwmodels.networks.zoo import data_folder
from hwmodels.stages import AcceleratorStage, CpuStage, StageTimes, StepTime

__all__ = ["RESOURCES", "Profile", "ProfileStage", "load_profile", "profile_names", "read_profiles"]

RESOURCES = ("cpu", "accelerator", "memory")
TIMES = {"time_ns": 1.0, "time_ms": 1e6}
MAX_NS = 10**15
MAX_BYTES = 10**13


@dataclass(frozen=True, slots=True)
class ProfileStage:
    """One measured stage: resource, integer ns, integer bytes (0 where nothing was stated)."""

    resource: str
    time_ns: int
    n_bytes: int = 0


@dataclass(frozen=True)
class Profile:
    """A network as measured: its stages in order, and the file it came from."""

    name: str
    stages: tuple[ProfileStage, ...]
    source: str = ""

    def total_ns(self, resource: str) -> int:
        """Time of all stages on one resource (ns)."""
        return sum(stage.time_ns for stage in self.stages if stage.resource == resource)

    @property
    def host_ns(self) -> int:
        """Host time of one inference (ns)."""
        return self.total_ns("cpu")

    @property
    def held_ns(self) -> int:
        """Time for which the accelerator's core is held, nobody else using the memory (ns)."""
        return self.total_ns("accelerator") + self.total_ns("memory")

    @property
    def memory_share(self) -> float:
        """Share of the held time in which memory is the limit."""
        return self.total_ns("memory") / self.held_ns if self.held_ns else 0.0

    def scaled(self, host: float = 1.0, accelerator: float = 1.0) -> Profile:
        """Return the profile on another board: host times, and those of accelerator and memory, times a factor."""
        factors = {"cpu": host, "accelerator": accelerator, "memory": accelerator}
        stages = (replace(stage, time_ns=round(stage.time_ns * factors[stage.resource])) for stage in self.stages)
        return replace(self, stages=tuple(stages))

    def stage_times(self) -> StageTimes:
        """Return the profile as stage times; :func:`sim.machine.memory.layered` splits its steps into layers."""
        runs = groupby(self.stages, key=lambda stage: stage.resource == "cpu")
        stages: list[CpuStage | AcceleratorStage] = []
        for on_cpu, run in runs:
            stages += [CpuStage(stage.time_ns) for stage in run] if on_cpu else [_pass(run)]
        return StageTimes(self.name, "", tuple(stages))


def _pass(stages: Iterable[ProfileStage]) -> AcceleratorStage:
    return AcceleratorStage(
        driver_ns=0, latency_ns=0, load_bytes=0, load_ns=0, instruction_bytes=0, instructions_ns=0, input_bytes=0,
        input_ns=0, steps=tuple(map(_step, stages)), output_bytes=0, output_ns=0, copy_ns=0,
    )  # fmt: skip


def _step(stage: ProfileStage) -> StepTime:
    if stage.resource == "memory":
        return StepTime(0, stage.time_ns, stage.n_bytes)
    return StepTime(stage.time_ns, 0, 0)


def profile_names() -> list[str]:
    """Return the names of the shipped profile files."""
    return sorted(path.stem for path in data_folder("profiles").glob("*.csv"))


def load_profile(model: str) -> Profile:
    """Load ``profile:FILE.csv#NAME``; FILE may be a shipped profile file by name, NAME may be left out if there is one.

    Raises :class:`InputError` for an unreadable file, a bad row (file, line, what came, what is allowed), or an unknown
    name, with the nearest valid one.

    Parameters
    ----------
    model
        ``profile:FILE.csv#NAME`` as on the command line.

    Returns
    -------
    Profile
        Stages in integer ns and bytes.
    """
    file, _, name = model.removeprefix(PROFILE).partition("#")
    if not file:
        raise InputError.value("MODEL", model, "profile:FILE.csv#NAME")
    path = _path(file)
    profiles = read_profiles(path)
    if not name and len(profiles) == 1:
        return next(iter(profiles.values()))
    if name not in profiles:
        known = list(profiles)
        allowed = (
            f"one of {len(known)} profiles in {path.name}: {', '.join(known[:5])}{', ...' if len(known) > 5 else ''}"
        )
        raise InputError.value(f"#NAME in MODEL {model}", name, allowed, nearest(name, known))
    return profiles[name]


def _path(file: str) -> Path:
    shipped = data_folder("profiles") / f"{file.removesuffix('.csv')}.csv"
    if Path(file).name == file and not Path(file).exists() and shipped.is_file():
        return shipped
    return Path(file)


def read_profiles(path: str | Path) -> dict[str, Profile]:
    """Read every profile of a file, by name and in the file's order.

    Raises :class:`InputError` for a file that cannot be read or is no UTF-8 CSV, a missing column, or a bad row.
    """
    path = Path(path)
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise InputError.problem(
            str(path), f"cannot be read ({reason(error)})", "give a CSV file of profiles"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError.problem(
            str(path), f"cannot be read ({reason(error)})", "give a CSV file of profiles in UTF-8"
        ) from None


@lru_cache(maxsize=32)
def _read(path: Path, _modified_ns: int) -> dict[str, Profile]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        _check_header(path, reader.fieldnames or ())
        found: dict[str, list[ProfileStage]] = {}
        for line, row in enumerate(reader, start=2):
            if any(row.values()):
                found.setdefault(_name(path, line, row), []).append(_stage(f"{path}:{line}", row))
    if not found:
        raise InputError.problem(str(path), "has no rows", "give one row for each stage of a profile")
    return {name: _checked(path, Profile(name, tuple(stages), path.name)) for name, stages in found.items()}


def _check_header(path: Path, header: Iterable[str]) -> None:
    for column in ("name", "resource"):
        if column not in header:
            raise InputError.problem(
                f"{path}:1", f"has no column {column}", "a profile has name, resource, time_ns or time_ms, and bytes"
            )
    if not any(column in header for column in TIMES):
        raise InputError.problem(f"{path}:1", "has no column of times", "give time_ns or time_ms")


def _name(path: Path, line: int, row: dict[str, str]) -> str:
    name = (row["name"] or "").strip()
    if not name or "#" in name:
        raise InputError.value(f"{path}:{line}: name", name, "a name without #")
    return name


def _stage(where: str, row: dict[str, str]) -> ProfileStage:
    resource = (row["resource"] or "").strip()
    if resource not in RESOURCES:
        raise InputError.value(f"{where}: resource", resource, either(RESOURCES), nearest(resource, RESOURCES))
    given = [(key, unit) for key, unit in TIMES.items() if (row.get(key) or "").strip()]
    if len(given) != 1:
        raise InputError.problem(where, f"has {len(given)} times", "give exactly one of time_ns and time_ms")
    (key, unit) = given[0]
    time_ns = round(_number(f"{where}: {key}", row[key], MAX_NS / unit) * unit)
    n_bytes = round(_number(f"{where}: bytes", row.get("bytes") or "0", MAX_BYTES))
    if resource == "memory" and (n_bytes == 0) != (time_ns == 0):
        raise InputError.problem(
            where, f"has {n_bytes} bytes in {time_ns} ns of memory", "give both above 0, or neither"
        )
    return ProfileStage(resource, time_ns, n_bytes)


def _number(where: str, text: str, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value) or not 0 <= value <= most:
        raise InputError.value(where, text, f"a number from 0 to {most:g}")
    return value


def _checked(path: Path, profile: Profile) -> Profile:
    if not profile.held_ns:
        raise InputError.problem(
            f"{path}#{profile.name}", "has no accelerator time", "give an accelerator or memory stage above 0"
        )
    return profile
