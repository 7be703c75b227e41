"""What the study found: every sentence is computed from the rows, none is written by hand.

A finding is an id, a sentence and the values in it; the report and ``findings.json`` hold the same objects. To add
one: a generator over the frame, and a line in :func:`findings`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sim.study.statistics import pareto, rank_correlation

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PAPER", "TRAITS", "best_rows", "findings"]

#: Largest gains on a single accelerator that the paper reports (IEEE Embedded Systems Letters 16(4), 2024, abstract).
PAPER = {"throughput": 3.98, "energy": 3.20}
#: What may explain a gain; the host's share is not among them: it gives the gain almost by definition.
TRAITS = {
    "trait_ops_per_input_byte": "operations per input byte",
    "trait_off_chip_bytes": "streamed (off-chip) parameter bytes",
    "trait_depthwise_share": "share of depthwise multiply-accumulates",
    "trait_output_bytes": "output bytes",
    "trait_mac_utilisation": "utilisation of the array while it computes",
}
GAINS = {
    "speedup_vs_one_thread": "throughput", "energy_gain_vs_one_thread": "energy per inference, whole system",
    "energy_accelerator_gain_vs_one_thread": "energy per inference, accelerator alone",
}  # fmt: skip
SATURATED = 0.95
Finding = dict[str, Any]


def findings(frame: pl.DataFrame) -> list[Finding]:
    """Return the findings of a study's rows: ``id``, ``text`` and the ``values`` that the text was made of."""
    import polars as pl

    good = frame.filter(pl.col("error") == "")
    makers: tuple[Callable[[pl.DataFrame], Iterator[Finding]], ...] = (
        _coverage, _largest, _typical, _traits, _size_shift, _saturation, _workload, _processes, _more_accelerators,
        _bottlenecks, _fronts,
    )  # fmt: skip
    return [finding for make in makers for finding in make(good)]


def _finding(name: str, text: str, **values: Any) -> Finding:
    return {"id": name, "text": text, "values": values}


def cases(frame: pl.DataFrame) -> list[str]:
    """The cases of the study in their order."""
    return [str(case) for case in frame["case"].unique(maintain_order=True)]


def of(frame: pl.DataFrame, **fixed: Any) -> pl.DataFrame:
    """The rows with the given values in these columns."""
    return frame.filter(**fixed)


def best_rows(frame: pl.DataFrame, key: str, by: Sequence[str] = ("models", "size")) -> pl.DataFrame:
    """For every network and size the row with the largest ``key``; of equal ones that with the fewest threads."""
    order = frame.sort([key, "threads"], descending=[True, False])
    return order.unique(list(by), keep="first", maintain_order=True).sort(list(by))


def single(frame: pl.DataFrame, case: str) -> pl.DataFrame:
    """One accelerator, one case."""
    return of(frame, case=case, accelerators=1)


def sizes(frame: pl.DataFrame) -> list[str]:
    """The sizes that some rows have, in the study's order: a board may have no room for the largest."""
    return [str(size) for size in frame["size"].unique(maintain_order=True)]


def _coverage(frame: pl.DataFrame) -> Iterator[Finding]:
    networks, points = frame["models"].n_unique(), frame.height
    yield _finding(
        "coverage",
        f"{networks} networks on {len(sizes(frame))} sizes in {len(cases(frame))} cases: {points} points.",
        networks=networks, points=points,
    )  # fmt: skip


def _largest(frame: pl.DataFrame) -> Iterator[Finding]:
    """Largest gains on one accelerator, for each case, size and kind of gain."""
    for case in cases(frame):
        rows = single(frame, case)
        for size in sizes(rows):
            for key, words in GAINS.items():
                top = (
                    of(rows, size=size)
                    .sort([key, "models", "threads"], descending=[True, False, False])
                    .row(0, named=True)
                )
                paper = PAPER["throughput"] if key.startswith("speedup") else PAPER["energy"]
                most = max(rows["threads"].to_list())
                yield _finding(
                    "largest_gain",
                    f"{case}, {size}: the largest gain in {words}, one accelerator and up to {most} threads, is "
                    f"{top[key]:.2f}x ({top['models']}, {top['threads']} threads); the paper's is {paper:.2f}x.",
                    case=case, size=size, key=key, gain=top[key], model=top["models"], threads=top["threads"],
                )  # fmt: skip


def _typical(frame: pl.DataFrame) -> Iterator[Finding]:
    """Typical gains, whole system beside accelerator alone."""
    for case in cases(frame):
        for size in sizes(single(frame, case)):
            rows = of(single(frame, case), size=size)
            medians = {key: float(best_rows(rows, key)[key].median()) for key in GAINS}  # type: ignore[arg-type]  # a number: never an empty frame
            little = float((best_rows(rows, "speedup_vs_one_thread")["speedup_vs_one_thread"] < 1.05).mean())  # type: ignore[arg-type]  # a number: never an empty frame
            yield _finding(
                "typical_gain",
                f"{case}, {size}: the median network gains {medians['speedup_vs_one_thread']:.2f}x in throughput, "
                f"{medians['energy_gain_vs_one_thread']:.2f}x in energy of the whole system and "
                f"{medians['energy_accelerator_gain_vs_one_thread']:.2f}x in that of the accelerator alone; "
                f"{little:.0%} of the networks gain less than 5 % in throughput.",
                case=case, size=size, **medians, share_below_5_percent=little,
            )  # fmt: skip


def _traits(frame: pl.DataFrame) -> Iterator[Finding]:
    """Which traits go with the gain: rank correlations over the networks."""
    for case in cases(frame)[:2]:
        for size in sizes(single(frame, case)):
            rows = best_rows(of(single(frame, case), size=size), "speedup_vs_one_thread")
            gain = rows["speedup_vs_one_thread"].to_list()
            found = {key: rank_correlation(rows[key].to_list(), gain) for key in TRAITS}
            for key, (rho, low, high) in sorted(found.items(), key=lambda item: -abs(item[1][0])):
                clear = "goes with" if low > 0 else ("goes against" if high < 0 else "says nothing clear about")
                yield _finding(
                    "trait",
                    f"{case}, {size}: {TRAITS[key]} {clear} the gain in throughput "
                    f"(rank correlation {rho:+.2f}, 95 % {low:+.2f} to {high:+.2f}, {len(gain)} networks).",
                    case=case, size=size, trait=key, rho=rho, low=low, high=high,
                )  # fmt: skip


def _size_shift(frame: pl.DataFrame) -> Iterator[Finding]:
    """How a larger array moves the gain of the same network."""
    for case in cases(frame)[:2]:
        best = best_rows(single(frame, case), "speedup_vs_one_thread")
        names = sizes(single(frame, case))
        wide = best.pivot("size", index="models", values="speedup_vs_one_thread").drop_nulls()
        host = best.pivot("size", index="models", values="trait_host_share").drop_nulls()
        for small, large in pairwise(names):
            more = float((wide[large] > wide[small] * 1.01).mean())  # type: ignore[arg-type]  # a number: never an empty frame
            shift = float((wide[large] / wide[small]).median())  # type: ignore[arg-type]  # a number: never an empty frame
            before, after = float(host[small].median()), float(host[large].median())  # type: ignore[arg-type]  # a number: never an empty frame
            yield _finding(
                "size_shift",
                f"{case}: from {small} to {large} the gain of {more:.0%} of the networks grows by more than 1 %, and "
                f"the median network's by {shift - 1:+.0%}: its host share goes from {before:.0%} to {after:.0%}.",
                case=case, small=small, large=large, share_growing=more, median_ratio=shift,
            )  # fmt: skip


def saturation(frame: pl.DataFrame) -> pl.DataFrame:
    """The fewest threads that reach 95 % of the best throughput, for each network and size."""
    import polars as pl

    top = pl.col("throughput_ips").max().over("models", "size")
    reached = frame.filter(pl.col("throughput_ips") >= SATURATED * top)
    return reached.group_by("models", "size").agg(pl.col("threads").min()).sort("models", "size")


def _saturation(frame: pl.DataFrame) -> Iterator[Finding]:
    for case in cases(frame)[:2]:
        for size in sizes(single(frame, case)):
            counts = saturation(of(single(frame, case), size=size))["threads"]
            shares = {n: float((counts == n).mean()) for n in sorted(counts.unique().to_list())}
            words = ", ".join(f"{n} for {share:.0%}" for n, share in shares.items())
            yield _finding(
                "saturation",
                f"{case}, {size}: threads that reach 95 % of the best throughput on one accelerator: {words} of the "
                "networks.",
                case=case, size=size, shares=shares,
            )  # fmt: skip


def _workload(frame: pl.DataFrame) -> Iterator[Finding]:
    """What becomes of the gains without host work."""
    for case in cases(frame):
        if not case.startswith("no preprocessing"):
            continue
        best = best_rows(single(frame, case), "speedup_vs_one_thread")
        whole, cut = of(best, trait_cpu_ops=0), best.filter(best["trait_cpu_ops"] > 0)
        for words, rows in (("wholly on the accelerator", whole), ("with operators on the CPU", cut)):
            if rows.height:
                top = rows.sort("speedup_vs_one_thread", descending=True).row(0, named=True)
                median = float(rows["speedup_vs_one_thread"].median())  # type: ignore[arg-type]  # a number: never an empty frame
                yield _finding(
                    "workload",
                    f"{case}: networks {words} gain {median:.2f}x in the median and "
                    f"{top['speedup_vs_one_thread']:.2f}x at most ({top['models']} on {top['size']}): the "
                    "accelerator's lock leaves threads only the host's work.",
                    case=case, networks=words, median=median, largest=top["speedup_vs_one_thread"], model=top["models"],
                )  # fmt: skip


def _processes(frame: pl.DataFrame) -> Iterator[Finding]:
    """Processes against threads: what the GIL costs."""
    keys = ["models", "size", "threads", "accelerators"]
    for threads, processes in zip(
        cases(frame)[:2], [c for c in cases(frame) if c.startswith("processes")], strict=False
    ):
        both = of(frame, case=processes).join(of(frame, case=threads), on=keys, suffix="_threads")
        ratio = both.with_columns(ratio=both["throughput_ips"] / both["throughput_ips_threads"])
        top = ratio.sort("ratio", descending=True).row(0, named=True)
        median, many = float(ratio["ratio"].median()), float((ratio["ratio"] > 1.05).mean())  # type: ignore[arg-type]  # a number: never an empty frame
        yield _finding(
            "processes",
            f"{processes}: against threads they give {median:.2f}x in the median and {top['ratio']:.2f}x at most "
            f"({top['models']} on {top['size']}, {top['threads']} x {top['accelerators']}); "
            f"more than 5 % in {many:.0%} of the points.",
            case=processes, median=median, largest=top["ratio"], share_above_5_percent=many,
        )  # fmt: skip


def _more_accelerators(frame: pl.DataFrame) -> Iterator[Finding]:
    """What further accelerators give at the most threads."""
    for case in cases(frame):
        rows = of(frame, case=case)
        full = of(rows, threads=rows["threads"].max())
        for size in sizes(full):
            wide = of(full, size=size).pivot("accelerators", index="models", values="throughput_ips").drop_nulls()
            counts = [column for column in wide.columns if column not in ("models", "1")]
            if not counts:
                continue
            medians = {n: float((wide[n] / wide["1"]).median()) for n in counts}  # type: ignore[arg-type]  # a number: never an empty frame
            words = ", ".join(f"{n} give {value:.2f}x" for n, value in medians.items())
            yield _finding(
                "more_accelerators",
                f"{case}, {size}, {full['threads'][0]} threads: against one accelerator {words} in the median.",
                case=case, size=size, medians=medians,
            )  # fmt: skip


def _bottlenecks(frame: pl.DataFrame) -> Iterator[Finding]:
    """What limits a set-up, with one thread and with the most."""
    for case in cases(frame):
        rows = single(frame, case)
        for threads in (1, max(rows["threads"].to_list())):
            kinds = of(rows, threads=threads)["bottleneck"].value_counts(sort=True, normalize=True)
            shares = dict(zip(kinds["bottleneck"], kinds["proportion"], strict=True))
            words = ", ".join(f"{kind} {share:.0%}" for kind, share in shares.items())
            yield _finding(
                "bottleneck",
                f"{case}, one accelerator, {threads} thread{'s' if threads > 1 else ''}: limited by {words}.",
                case=case, threads=threads, shares=shares,
            )  # fmt: skip


FRONT = ("throughput_ips", "energy_mj_per_inference", "latency_ms_mean")


def fronts(frame: pl.DataFrame) -> list[Mapping[str, Any]]:
    """The rows on each network's own Pareto front of throughput, energy and latency."""
    keys = ["models", "size", "threads", "accelerators", *FRONT]
    found: list[Mapping[str, Any]] = []
    for _, rows in frame.select(keys).group_by("models", maintain_order=True):
        table = rows.to_dicts()
        found += [table[i] for i in pareto(table, FRONT)]
    return found


def _fronts(frame: pl.DataFrame) -> Iterator[Finding]:
    """Which set-ups lie on the networks' Pareto fronts."""
    for case in cases(frame)[:2]:
        rows = fronts(of(frame, case=case))
        networks = len({row["models"] for row in rows})
        for size in sizes(single(frame, case)):
            mine = [row for row in rows if row["size"] == size]
            one = sum(row["threads"] == 1 for row in mine)
            yield _finding(
                "pareto",
                f"{case}: {len({row['models'] for row in mine})} of {networks} networks have {size} on their front of "
                f"throughput, energy and latency, with {len(mine)} of {len(rows)} set-ups, {one} of them with one "
                "thread.",
                case=case, size=size, setups=len(mine), of=len(rows), one_thread=one,
            )  # fmt: skip
