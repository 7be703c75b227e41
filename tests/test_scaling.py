"""Scaled hosts: each measured host predicted from another one lies inside the interval that a scaled host gets."""

from __future__ import annotations

from math import log
from pathlib import Path

import pytest

from calibration.corrections import host_part_of
from calibration.cpurows import is_used
from calibration.measurements import Measurement
from calibration.parttext import with_quantities
from calibration.scaling import HOSTS, SCALED, cores, scaled_buses, scaled_text, scaled_times
from calibration.setups import Skip, api_ns, conditions_of, network_of
from calibration.shipped import dataset_names, load_dataset
from hwmodels.host import Host, load_host
from hwmodels.parts import label, own_keys
from hwmodels.quantities import Quantity
from sim import Scenario, estimate

CORES = cores()
MEASURED = [name for name in CORES if name not in SCALED and CORES[name].near]  # the others have no near one
MOST_ROWS = 40  # of a host on its CPU, and likewise with an accelerator


def times_of(host: str) -> tuple[list[Measurement], list[Measurement]]:
    """Rows that time a whole network on a host's CPU, and on its accelerator."""
    rows = [row for name in dataset_names() for row in load_dataset(name) if host_part_of(row) == host]
    on_cpu = [row for row in rows if is_used(row)]
    on_tpu = [
        row for row in rows
        if row.metric == "invoke_latency_ms" and row.link not in ("", "none") and row.mode == "single"
        and not (row.flag or row.detections or row.postprocess or row.timed)
    ]  # fmt: skip
    return thinned(on_cpu), thinned(on_tpu)


def thinned(rows: list[Measurement]) -> list[Measurement]:
    return rows[:: max(1, -(-len(rows) // MOST_ROWS))]


def bus_of(host: str, link: str) -> dict[str, Quantity]:
    """Numbers of a bus from the nearest other host on which both rates were measured, as a scaled host takes them."""
    keys = (f"bus.{link}.out_bytes_per_s", f"bus.{link}.in_bytes_per_s")
    others = [
        name for name in MEASURED
        if name != host and all(load_host(name).quantities[key].status == "fitted" for key in keys if key in own(name))
        and set(keys) <= set(own(name))
    ]  # fmt: skip
    if not others:
        return {}
    near = min(others, key=lambda name: (CORES[name].isa != CORES[host].isa, distance(name, host)))
    return {key: number for key, number in scaled_buses(load_host(near), "near").items() if f".{link}." in key}


def distance(one: str, other: str) -> float:
    return abs(log(CORES[one].speed / CORES[other].speed))


def own(host: str) -> list[str]:
    return own_keys(Host, HOSTS / f"{host}.toml")


def scaled_part(host: str, folder: Path) -> str:
    """A file of a host as if nobody had measured it: scaled from its near host."""
    near, count = CORES[host].near, load_host(host).cores
    text = f'kind = "host"\nbase = "{near}"\ncores = {{ value = {count}, status = "datasheet", source = "its chip" }}\n'
    numbers = scaled_times(load_host(near), slowdown(host), "near")
    for link in ("usb2", "usb3", "pcie"):
        numbers |= bus_of(host, link)
    path = folder / f"{host}_from_{near}.toml"
    path.write_text(with_quantities(text, numbers))
    return str(path)


def slowdown(host: str) -> float:
    return CORES[CORES[host].near].speed / CORES[host].speed


def is_inside(row: Measurement, part: str, on_cpu: bool) -> bool | None:
    """Whether a row's time lies in the interval of the same network on a part; None where there is no such network."""
    try:
        graph, conditions = network_of(row), conditions_of(row)
    except Skip:
        return None
    options = {"accelerators": 0, "cpu_kernels": "builtin", "num_threads": max(1, row.threads)} if on_cpu else {
        "link": conditions.link, "clock": conditions.clock, "compiler": conditions.compiler,
        "cpu_kernels": conditions.kernels,
    }  # fmt: skip
    low, high = estimate(Scenario(models=graph.name, host=part, **options))["interval90"]["invoke_mean_ms"]
    return low <= row.value - api_ns(row, graph) / 1e6 <= high


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Whether each row is inside, by host, on the CPU and on the accelerator."""
    folder = tmp_path_factory.mktemp("scaled")
    inside = {}
    for host in MEASURED:
        part = scaled_part(host, folder)
        both = [[is_inside(row, part, i == 0) for row in rows] for i, rows in enumerate(times_of(host))]
        inside[host] = [[one for one in rows if one is not None] for rows in both]
    return inside


@pytest.mark.parametrize("where", [0, 1], ids=["cpu", "accelerator"])
def test_intervals_of_scaled_hosts_cover_what_was_measured(found, where):
    rows = [one for both in found.values() for one in both[where]]
    for host, both in found.items():
        if both[where]:
            print(f"{host} from {CORES[host].near}: {sum(both[where])} of {len(both[where])} inside")
    print(f"in all {sum(rows)} of {len(rows)}, {sum(rows) / len(rows):.0%}")
    assert len(rows) > 100
    assert sum(rows) / len(rows) >= 0.85


@pytest.mark.parametrize("name", SCALED)
def test_a_scaled_host_has_the_numbers_that_its_near_host_gives_today(name):
    assert scaled_text(name) == (HOSTS / f"{name}.toml").read_text(encoding="utf-8"), (
        "run python -m calibration.scaling --write"
    )
    assert label("host", name, "scaled_from") == CORES[name].near
    host, near = load_host(name), load_host(CORES[name].near)
    assert host.conv_ns_per_mac == pytest.approx(near.conv_ns_per_mac * slowdown(name), rel=0.01)
    assert {host.quantities[key].status for key in host.quantities if "_ns_per_mac" in key} == {"assumed"}


def test_a_clock_of_a_half_doubles_the_times_and_no_range_shrinks():
    near = load_host("jetson-nano")
    times = scaled_times(near, 2.0, "half the clock")
    assert times["conv_ns_per_mac"].value == 2 * near.conv_ns_per_mac
    assert times["conv_ns_per_mac"].range == (2 * near.conv_ns_per_mac / 3, 6 * near.conv_ns_per_mac)
    assert times["copy_ns_per_byte"].range == (2 * 0.2, 2 * 4)
    assert "cores" not in times
    assert not any(key.startswith(("bus.", "power_")) for key in times)
