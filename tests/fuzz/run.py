"""Feed damaged input to everything that reads a user's data; only InputError may come out.

    python tests/fuzz/run.py tflite --runs 200000 --models FOLDER --log tflite.json

Coverage-guided where ``atheris`` is installed (pip install atheris), else random with a seed. The targets are those of
targets.py; FOLDER holds .tflite files to start from (they are only read). A finding is any other exception, an error of
more than one line or 2000 characters, more than 10 s of CPU time or more than 1 GB. Findings, each with the script that
makes it, and counts go to the log; ``--replay HEX`` runs one script again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

LIMIT_S = 10
LIMIT_BYTES = 1 << 30
LIMIT_TEXT = 2000


class Slow(BaseException):
    """The time allowed for one input is over."""


class Counts:
    """What came out so far: executions, accepted, refused, findings by what went wrong where."""

    def __init__(self, target: str, log: Path | None) -> None:
        self.target, self.log = target, log
        self.runs = self.accepted = self.refused = 0
        self.slowest_s, self.is_large = 0.0, False
        self.findings: dict[str, list[Any]] = {}
        self.started = time.process_time()

    def finding(self, key: str, script: bytes) -> None:
        """Count a finding; its shortest script is kept."""
        count, kept = self.findings.get(key, (0, script.hex()))
        self.findings[key] = [count + 1, min(kept, script.hex(), key=len)]

    def table(self) -> dict[str, Any]:
        """The counts as they are written."""
        return {
            "target": self.target, "runs": self.runs, "accepted": self.accepted, "refused": self.refused,
            "slowest_s": round(self.slowest_s, 3), "cpu_s": round(time.process_time() - self.started),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "findings": self.findings,
        }  # fmt: skip

    def write(self) -> None:
        """Write the counts to the log, or to stdout."""
        text = json.dumps(self.table(), indent=1)
        if self.log:
            self.log.write_text(text + "\n", encoding="utf-8")
        else:
            print(text)


def one(read: Any, script: bytes, counts: Counts, input_error: type[Exception]) -> None:
    """Run one script and note what came of it."""
    started = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
    try:
        read(script)
        counts.accepted += 1
    except input_error as error:
        counts.refused += 1
        text = str(error)
        if "\n" in text or len(text) > LIMIT_TEXT:
            counts.finding(f"message of {len(text).bit_length()} bits: {text[:80]!r}", script)
    except Slow:
        counts.finding(f"slower than {LIMIT_S} s: {place_of(sys.exc_info()[1])}", script)
    except (Exception, RecursionError) as error:
        counts.finding(f"{type(error).__name__}: {str(error)[:60]} @ {place_of(error)}", script)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        counts.finding(f"{type(error).__name__} @ {place_of(error)}", script)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    if not counts.is_large and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10 > LIMIT_BYTES:
        counts.is_large = True
        counts.finding("more than 1 GB", script)
    counts.slowest_s = max(counts.slowest_s, time.process_time() - started)
    counts.runs += 1
    if counts.runs % 1000 == 0:
        counts.write()


def place_of(error: BaseException | None) -> str:
    """The last frames of ours in an error's traceback."""
    frames = traceback.extract_tb(error.__traceback__ if error else None)
    ours = [f"{Path(f.filename).name}:{f.name}:{f.lineno}" for f in frames if "site-packages" not in f.filename]
    return " < ".join(reversed(ours[-3:]))


def _slow(*_: Any) -> None:
    raise Slow


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--models", type=Path, default=Path(__file__).parents[3] / "shared" / "models")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--replay", metavar="HEX")
    parser.add_argument("--plain", action="store_true", help="random scripts even where atheris is installed")
    options = parser.parse_args()
    with contextlib.suppress(ImportError):
        import atheris
    guided = "atheris" in dir() and not options.plain and not options.replay
    with atheris.instrument_imports(include=["hwmodels", "sim", "calibration"]) if guided else contextlib.nullcontext():
        import targets

        from hwmodels.errors import InputError
    read = targets.TARGETS[options.target](options.models)
    if options.replay:
        read(bytes.fromhex(options.replay))
        return
    resource.setrlimit(resource.RLIMIT_DATA, (4 * LIMIT_BYTES, 4 * LIMIT_BYTES))
    signal.signal(signal.SIGVTALRM, _slow)
    counts = Counts(options.target, options.log)
    if guided:
        _guided(atheris, options, lambda script: one(read, script, counts, InputError), counts)
    rng = random.Random(options.seed)
    while counts.runs < options.runs:
        one(read, random_script(rng), counts, InputError)
    counts.write()


def random_script(rng: random.Random) -> bytes:
    """One random edit script."""
    import mutate

    return mutate.random_script(rng)


def _guided(atheris: Any, options: argparse.Namespace, test: Any, counts: Counts) -> None:
    """Let libFuzzer choose the scripts; it ends the process."""
    import atexit

    atexit.register(counts.write)
    limits = [f"-rss_limit_mb={4 * LIMIT_BYTES >> 20}", "-timeout=60", "-max_len=256", "-len_control=10"]
    arguments = [sys.argv[0], f"-runs={options.runs}", f"-seed={options.seed}", "-print_final_stats=1", *limits]

    def checked(script: bytes) -> None:
        test(script)
        if counts.runs >= options.runs:
            counts.write()

    atheris.Setup(arguments, checked)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
