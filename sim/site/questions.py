"""What the page asks its worker: a verb and options as JSON, and the simulator's own answer as JSON.

Nothing is computed beforehand. The page has the words and colours of this package, not a copy of its own.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hwmodels.cache import forget
from hwmodels.errors import InputError, either, nearest
from hwmodels.families import FAMILIES, sizes
from hwmodels.networks.zoo import index
from hwmodels.parts import part_names
from hwmodels.version import program_version
from sim.advice import advise
from sim.engine import simulate
from sim.lab.kit import command
from sim.scenario import Scenario, option_defaults, option_fields
from sim.site.view_data import film_data, state_looks
from sim.views.svg_timeline import film
from sim.views.timeline import record

__all__ = ["VERBS", "keep", "reply"]

MOST_REMEMBERED = 6000  # results of all kinds, those of some twenty networks: a page takes memory, and gives none back
FEW = 50  # inferences of a trace: some megabytes at most
Options = Mapping[str, Any]


def about(_options: Options) -> dict[str, Any]:
    """What the page can offer: networks, parts, defaults, and how states are named and drawn."""
    return {
        "version": program_version(),
        "networks": [{"name": row["name"], "task": row["task"]} for row in index()],
        "sizes": [name for family in FAMILIES for name in sizes(family)],
        "links": part_names("link"),
        "hosts": part_names("host"),
        "defaults": option_defaults(),
        "states": state_looks(),
    }


def run(options: Options) -> dict[str, Any]:
    """The answer of ``edgetpusim run --json``, and that command."""
    scenario = Scenario(**options)
    return {"summary": simulate(scenario).summary, "command": command(scenario)}


def point(options: Options) -> dict[str, float]:
    """A point of the curve over threads, without the comparison with one thread."""
    found = simulate(Scenario(**options), compare=False, trust=False).summary
    return {
        "throughput_ips": found["throughput_ips"], "latency_ms": found["latency_ms"]["mean"],
        "energy_mj": found["energy_mj_per_inference"],
    }  # fmt: skip


def timeline(options: Options) -> dict[str, Any]:
    """What happens once every thread has its first inference behind it; times in ms from there."""
    return film_data(film(Scenario(**options), start_ms=None))


def trace(options: Options) -> str:
    """A Perfetto trace of the first inferences, as ``edgetpusim timeline -o trace.json`` writes it."""
    scenario = Scenario(**options)
    few = scenario if scenario.inferences or scenario.duration_s else scenario.with_options(inferences=FEW)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        record(few, path, compare=False)
        return path.read_text(encoding="utf-8")


def advice(options: Options) -> dict[str, Any]:
    """Next steps, ranked; each has the options that it changes."""
    found = advise(Scenario(**options))
    return {key: found[key] for key in ("steps", "notes", "judged_by")}


#: What is asked about a scenario.
VERBS: dict[str, Callable[[Options], Any]] = {
    "about": about, "run": run, "point": point, "timeline": timeline, "trace": trace,
    "advice": advice,
}  # fmt: skip


def reply(verb: str, options: str) -> str:
    """Answer a question: ``{"answer": ...}``, or ``{"error": ...}`` with one sentence for input that is refused."""
    forget(beyond=MOST_REMEMBERED)
    try:
        return json.dumps({"answer": _answer(verb, json.loads(options))})
    except InputError as error:
        return json.dumps({"error": str(error)})


def _answer(verb: str, options: Options) -> Any:
    """What a verb answers; the lessons are loaded where one of theirs is asked, so that the first page starts soon."""
    if verb in VERBS:
        return VERBS[verb](_known(options))
    from sim.site import lesson_questions

    if verb not in lesson_questions.VERBS:
        raise InputError.value("the verb", verb, either([*VERBS, *lesson_questions.VERBS]))
    return lesson_questions.VERBS[verb](options)


def _known(options: Options) -> Options:
    """The options as they are; raises :class:`InputError` for one that no scenario has (a link may be mistyped)."""
    names = ["models", *option_fields()]
    for name in options:
        if name not in names:
            raise InputError.value("an option of the address", name, "one of edgetpusim run", nearest(name, names))
    return options


def keep(name: str, data: bytes | memoryview) -> str:
    """Keep a dropped file in the present folder under its own name, as far as a MODEL can have it; return that name.

    A compiled file finds its plain twin by its name.
    """
    plain = "".join(c if c.isalnum() or c in "._-" else "_" for c in name)
    Path(plain).write_bytes(data)
    return plain
