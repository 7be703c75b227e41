"""The shipped parts as rows: what each one is, and how well it is known. ``edgetpusim parts`` prints them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hwmodels.api import load_part
from hwmodels.evidence import cpu_evidence
from hwmodels.families import family_name, load_accelerator
from hwmodels.host import Host, load_host
from hwmodels.link import load_link
from hwmodels.parts import aliases, part_names
from sim.estimator import estimate
from sim.scenario import Scenario
from sim.trust.coverage import covered

__all__ = ["LISTS", "REFERENCE", "host_table", "print_parts", "watts"]

#: The network whose interval says how well a host is known.
REFERENCE = "mobilenet_v2_1.0_224"
MEASURED_FAMILIES = ("edgetpu", "dpu")


def host_rows() -> list[dict[str, Any]]:
    """Return every host: cores, watts, what was measured on it, and how wide the intervals of answers are."""
    return [_host(name) for name in part_names("host")]


def _host(name: str) -> dict[str, Any]:
    host, known, links = load_host(name), cpu_evidence(load_host(name)), _measured_links(name)
    on_cpu, on_coral = (Scenario(models=REFERENCE, host=name, accelerators=count) for count in (0, 1))
    others = [link for link in links if link != "memory"]
    if others and on_coral.link not in others:
        on_coral = on_coral.with_options(link=others[0])
    return {
        "name": name, "aliases": _short("host", name), "cores": host.cores,
        "idle_w": watts(host, host.power_core_idle_w), "busy_w": watts(host, host.power_core_busy_w),
        "watts": host.quantities["power_board_w"].status, "status": known.status, "near": known.near,
        "source": known.source, "links": [bus for bus in host.buses if host.buses[bus].places],
        "measured_links": links, "rows": sum(covered(one).rows.get(name, 0) for one in MEASURED_FAMILIES),
        "cpu90": _reach(on_cpu), "coral90": _reach(on_coral), "coral90_link": on_coral.link,
    }  # fmt: skip


def watts(host: Host, core_w: float) -> float:
    """Return what a host takes with every core taking so much, in W."""
    return round(host.power_board_w + host.cores * core_w, 2)


def _short(kind: str, name: str) -> list[str]:
    return [alias for alias, meant in aliases(kind).items() if meant == name]


def _measured_links(host: str) -> list[str]:
    """Links over which an accelerator was measured on a host."""
    known = [covered(family).hosts for family in MEASURED_FAMILIES]
    return sorted({link for hosts in known for link, names in hosts.items() if host in names})


def _reach(scenario: Scenario) -> list[float]:
    """The 90 % interval of an inference's time, as factors of the answer."""
    answer = estimate(scenario)
    return [round(end / answer["invoke_ms"]["mean"], 2) for end in answer["interval90"]["invoke_mean_ms"]]


def link_rows() -> list[dict[str, Any]]:
    """Return every link: its own limits, and how many hosts have it."""
    hosts = [load_host(name) for name in part_names("host")]
    return [
        {
            "name": name, "out_mb_s": link.out_bytes_per_s / 1e6, "in_mb_s": link.in_bytes_per_s / 1e6,
            "fixed_ms": link.floor_ns / 1e6, "shared": bool(link.number("shared")),
            "status": link.quantities["out_bytes_per_s"].status,
            "hosts": sum(name in host.buses and host.buses[name].places > 0 for host in hosts),
            "measured_hosts": len({host for one in MEASURED_FAMILIES for host in covered(one).hosts.get(name, ())}),
        }
        for name in part_names("link") for link in [load_link(name)]
    ]  # fmt: skip


def size_rows() -> list[dict[str, Any]]:
    """Return every accelerator: its family, what it does in a cycle, its clock, and whether it exists."""
    parts = [load_accelerator(name) for name in part_names("accelerator")]
    return [
        {
            "name": part.name, "family": family_name(part), "macs_per_cycle": part.peak_macs_per_cycle,
            "clock_mhz": part.clock_hz / 1e6, "tops": round(2 * part.peak_macs_per_cycle * part.clock_hz / 1e12, 2),
            "status": "assumed: never built" if part.is_extrapolated else _size_status(part.name, family_name(part)),
        }
        for part in parts
    ]  # fmt: skip


def _size_status(name: str, family: str) -> str:
    sizes = covered(family).sizes
    return "measured" if sizes is None or name in sizes else "datasheet: never measured"


def board_rows() -> list[dict[str, Any]]:
    """Return every board whose profiles can be replayed: cores, CPUs, clock, watts, and how far answers reach."""
    parts = [load_part("board", name) for name in part_names("board")]
    common = {base for part in parts for base in part.bases}
    keys = ("accelerators", "cpu_cores", "clock_hz", "idle_w", "busy_core_w", "spread90")
    return [{"name": part.name, **{key: part.number(key) for key in keys}} for part in parts if part.name not in common]


def compiler_rows() -> list[dict[str, Any]]:
    """Return every version of the compiler: what it is based on, and how many of its numbers are its own or fitted."""
    parts = [load_part("compiler", name) for name in part_names("compiler")]
    return [
        {
            "name": part.name, "based_on": list(part.bases),
            "measured": sum(number.status in ("measured", "datasheet") for number in part.quantities.values()),
            "fitted": sum(number.status == "fitted" for number in part.quantities.values()),
            "assumed": sum(number.status == "assumed" for number in part.quantities.values()),
        }
        for part in parts
    ]  # fmt: skip


#: What ``edgetpusim parts`` lists -> its rows.
LISTS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "hosts": host_rows, "links": link_rows, "sizes": size_rows, "boards": board_rows, "compilers": compiler_rows,
}  # fmt: skip
HEADERS = {
    "hosts": (
        "host", "short names", "cores", "W idle to busy", "CPU times", "rows", "90 % on the CPU", "90 % with Coral",
    ),
    "links": ("link", "MB/s out", "MB/s in", "ms fixed", "shared", "hosts", "measured on"),
    "sizes": ("size", "family", "MACs a cycle", "MHz", "TOPS", "known by"),
    "boards": ("board", "accelerators", "CPU cores", "MHz", "W idle", "W a busy core", "90 % within"),
    "compilers": ("compiler", "based on", "numbers measured", "fitted", "assumed"),
}  # fmt: skip
PROSE = {"hosts": (1, 4), "sizes": (5,)}


def cells(kind: str, row: dict[str, Any]) -> list[str]:
    """Return a row as the table of its kind shows it."""
    if kind == "hosts":
        return _host_cells(row)
    if kind == "boards":
        idle, busy = (f"{row[key]:g}" if row[key] else "not known" for key in ("idle_w", "busy_core_w"))
        return [
            row["name"], str(row["accelerators"]), str(row["cpu_cores"]), f"{row['clock_hz'] / 1e6:g}", idle, busy,
            f"{row['spread90']:.0%}",
        ]  # fmt: skip
    if kind == "links":
        numbers = (f"{row[key]:g}" for key in ("out_mb_s", "in_mb_s", "fixed_ms"))
        return [row["name"], *numbers, "yes" if row["shared"] else "no", str(row["hosts"]), str(row["measured_hosts"])]
    return [", ".join(value) if isinstance(value, list) else f"{value}" for value in row.values()]


def _host_cells(row: dict[str, Any]) -> list[str]:
    times = {"measured": "measured", "scaled": f"scaled from {row['near']}"}.get(row["status"], f"as {row['near']}")
    return [
        row["name"], ", ".join(row["aliases"]), str(row["cores"]), f"{row['idle_w']:g} to {row['busy_w']:g}", times,
        str(row["rows"]), _factors(row["cpu90"]), f"{_factors(row['coral90'])} over {row['coral90_link']}",
    ]  # fmt: skip


def _factors(ends: Sequence[float]) -> str:
    low, high = ends
    return f"x {low:.2f} to {high:.2f}"


def host_table() -> str:
    """Return the hosts as a Markdown table."""
    rows = [_host_cells(row) for row in host_rows()]
    lines = [HEADERS["hosts"], ["---"] * len(HEADERS["hosts"]), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def print_parts(kind: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print the rows of one kind as a table."""
    from sim.commands.tables import Rows, new_console, say

    console = new_console()
    table = Rows("", *HEADERS[kind], prose=PROSE.get(kind, ()))
    for row in rows:
        table.add(*cells(kind, row))
    table.show(console)
    if kind == "hosts":
        say(console, f"\n90 %: interval of an inference's time, as factors of the answer, for {REFERENCE}.")
        say(console, "Rows: times and rates that were measured on a host. --json says whether its watts were measured.")
