"""Write fitted numbers into part files: the shipped file's text, with value, standard error and source replaced.

The shipped text is the template, so comments, order and numbers that were not fitted stay as they are; a fitted
number's source says how many rows of which publications it rests on.
"""

from __future__ import annotations

from math import exp
from pathlib import Path
from statistics import fmean, pstdev

from calibration.fitting import DEFAULT_HOST, Calibration, unstated
from calibration.parttext import with_quantities
from hwmodels import parts
from hwmodels.errors import InputError, reason
from hwmodels.files import write_text
from hwmodels.quantities import Quantity

__all__ = ["part_text", "write_parts"]

LEAST_SPREAD = 0.1  # between hosts that no source names
SHIPPED = Path(parts.__file__).parent


def write_parts(calibration: Calibration, folder: Path) -> list[Path]:
    """Write the accelerator, every host with fitted numbers and every link of the rows; return the paths.

    With a single host its file is also written as ``host.toml``. Raises :class:`InputError` for a folder that cannot be
    written.

    Parameters
    ----------
    calibration
        A finished fit.
    folder
        Made where it is missing; files of the same names are replaced.
    """
    texts = {f"{name}.toml": part_text(calibration, kind, name) for kind, name in calibration.values()}
    hosts = [name for kind, name in calibration.values() if kind == "host"]
    if len(hosts) == 1:
        texts["host.toml"] = texts[f"{hosts[0]}.toml"]
    for link in sorted({bus.link for bus in calibration.problem.evaluator.buses}):
        texts[f"{link}.toml"] = (SHIPPED / "links" / f"{link}.toml").read_text(encoding="utf-8")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_written(folder / name, text) for name, text in texts.items()]
    except OSError as error:
        raise InputError.problem(
            f"-o {folder}", f"cannot be written ({reason(error)})", "give a folder that can be written"
        ) from None


def _written(path: Path, text: str) -> Path:
    write_text(path, text)
    return path


def part_text(calibration: Calibration, kind: str, name: str) -> str:
    """Return the text of a part file with the fitted numbers."""
    text = (SHIPPED / f"{kind}s" / f"{name}.toml").read_text(encoding="utf-8")
    errors = _errors(calibration, kind, name)
    own = {number.key for number in calibration.numbers if number.part == name}
    found: dict[str, Quantity] = {}
    for key, value in calibration.values()[kind, name].items():
        is_table = isinstance(value, tuple)
        source = _source(calibration, kind, name if key in own or is_table else "?")
        found[key] = Quantity(value, "fitted", source, errors.get(key))
    return with_quantities(text, found)


def _errors(calibration: Calibration, kind: str, name: str) -> dict[str, float]:
    """Standard errors in the numbers' own units; tables have none."""
    found: dict[str, float] = {}
    for number, x, sd in zip(calibration.numbers, calibration.x, calibration.std_errors(), strict=True):
        if number.kind == kind and number.part == name:
            found[number.key] = exp(x) * float(sd)
    if name == DEFAULT_HOST:
        for key, logs in unstated(calibration.problem, calibration.x).items():
            found.setdefault(key, exp(fmean(logs)) * max(LEAST_SPREAD, pstdev(logs)))
    return found


def _source(calibration: Calibration, kind: str, name: str) -> str:
    problem = calibration.problem
    hosts = [problem.evaluator.buses[bus].host for bus in problem.evaluator.bus]
    same = [kind == "accelerator" or host == name or (name == "?" and host.startswith("?")) for host in hosts]
    rows = [row for row, is_same in zip(problem.rows, same, strict=True) if is_same]
    sources = sorted({row.source_id for row in rows})
    shown = ", ".join(sources[:6]) + (f" and {len(sources) - 6} more" if len(sources) > 6 else "")
    return f"edgetpusim-calibrate fit: {len(rows)} rows of {shown}"
