"""Transfers and channels: rates by hand, and a contract that every shipped link and host keeps."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.errors import InputError
from hwmodels.host import BusCosts, load_host
from hwmodels.link import Channel, channel, load_link, transfer_ns
from hwmodels.parts import part_names

ROUND = Channel("bus", 100e6, 25e6, 1000, 0.5, 4096, True, 10)
PAIRS = [(link, host) for link in part_names("link") for host in part_names("host")]


@pytest.mark.parametrize(
    ("n_bytes", "direction", "ns"),
    [
        (0, "out", 0),
        (1, "out", 10),
        (1000, "out", 10_000),
        (1000, "in", 40_000),
        (1_000_000, "in", 40_000_000),
        (0.05, "out", 1),  # rounded up: a byte that has begun takes its time
    ],
)
def test_a_transfer_takes_its_bytes_over_the_rate(n_bytes, direction, ns):
    assert transfer_ns(n_bytes, ROUND, direction) == ns


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 10**9), st.integers(1, 10**10))
def test_a_transfer_is_the_exact_quotient_rounded_up(n_bytes, rate):
    exact = ceil(Fraction(n_bytes) * 10**9 / rate)
    bus = replace(ROUND, out_bytes_per_s=float(rate))
    assert abs(transfer_ns(n_bytes, bus, "out") - exact) <= 1 + exact * 1e-15


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**8), st.integers(0, 10**8))
def test_two_transfers_take_no_less_than_one_of_both(a, b):
    together, apart = transfer_ns(a + b, ROUND, "in"), transfer_ns(a, ROUND, "in") + transfer_ns(b, ROUND, "in")
    assert together <= apart <= together + 1


@pytest.mark.parametrize(("link", "host"), PAIRS)
def test_a_channel_is_never_faster_than_its_bus_or_its_host(link, host):
    bus, part = load_link(link), load_host(host)
    made = channel(bus, part)
    costs = next((part.buses[name] for name in (link, *bus.bases) if name in part.buses), BusCosts())
    lane = bus.lane_bytes_per_s or float("inf")
    assert made.out_bytes_per_s == min(bus.out_bytes_per_s, costs.out_bytes_per_s or bus.out_bytes_per_s, lane) > 0
    assert made.in_bytes_per_s == min(bus.in_bytes_per_s, costs.in_bytes_per_s or bus.in_bytes_per_s, lane) > 0
    assert made.floor_ns == (costs.floor_ns or bus.floor_ns)
    assert (made.floor_ns > 0) != bus.on_board  # a board's own memory has no driver's dispatch
    assert made.instruction_ns_per_byte == costs.instruction_ns_per_byte >= 0
    assert (made.name, made.chunk_bytes, made.shared) == (bus.name, bus.chunk_bytes, bus.shared)


@pytest.mark.parametrize(("link", "host"), PAIRS)
def test_more_bytes_never_take_less_time(link, host):
    bus = channel(load_link(link), load_host(host))
    for direction in ("out", "in"):
        times = [transfer_ns(n_bytes, bus, direction) for n_bytes in (0, 1, 1024, 10**6, 10**8)]
        assert times == sorted(times)
        assert times[0] == 0 < times[1]


def test_a_host_that_says_nothing_of_a_bus_takes_the_bus_s_own_numbers():
    host = replace(load_host("x86-xeon"), buses={})
    bus = load_link("pcie")
    made = channel(bus, host)
    assert (made.out_bytes_per_s, made.in_bytes_per_s, made.floor_ns) == (
        bus.out_bytes_per_s, bus.in_bytes_per_s, bus.floor_ns,
    )  # fmt: skip


def test_the_slower_of_bus_and_host_counts():
    bus = replace(load_link("usb3"), out_bytes_per_s=100e6, in_bytes_per_s=100e6)
    costs = BusCosts(out_bytes_per_s=60e6, in_bytes_per_s=200e6, floor_ns=7)
    host = replace(load_host("x86-xeon"), buses={"usb3": costs})
    made = channel(bus, host)
    assert (made.out_bytes_per_s, made.in_bytes_per_s, made.floor_ns) == (60e6, 100e6, 7)


def test_a_link_of_one_s_own_goes_by_the_bus_it_is_based_on(tmp_path):
    path = tmp_path / "cable.toml"
    path.write_text(
        'kind = "link"\nbase = "usb2"\nout_bytes_per_s = { value = 1e6, status = "assumed", source = "a bad cable" }\n'
    )
    made, plain = channel(load_link(str(path)), load_host("raspberry-pi-4")), load_link("usb2")
    assert (made.name, made.out_bytes_per_s, made.shared) == ("cable", 1e6, plain.shared)
    assert made.floor_ns == load_host("raspberry-pi-4").buses["usb2"].floor_ns


@pytest.mark.parametrize(("fact", "usb"), [("shared", True), ("std_clock", True), ("throttles", False)])
def test_usb_and_pcie_differ_in_what_their_part_files_say(fact, usb):
    assert {name: getattr(load_link(name), fact) for name in ("usb2", "usb3", "pcie")} == {
        "usb2": usb, "usb3": usb, "pcie": not usb,
    }  # fmt: skip


def test_a_fact_of_a_link_is_1_or_0(tmp_path):
    path = tmp_path / "half.toml"
    path.write_text('kind = "link"\nbase = "usb3"\nshared = { value = 0.5, status = "assumed", source = "a slip" }\n')
    with pytest.raises(InputError, match="shared"):
        load_link(str(path))


def test_usb_2_is_slower_than_usb_3_both_ways():
    slow, fast = load_link("usb2"), load_link("usb3")
    assert slow.out_bytes_per_s < fast.out_bytes_per_s
    assert slow.in_bytes_per_s < fast.in_bytes_per_s


@pytest.mark.parametrize(("name", "hint"), [("usb4", "usb"), ("pcix", "did you mean 'pcie'"), ("", "usb3")])
def test_an_unknown_link_is_told_with_those_there_are(name, hint):
    with pytest.raises(InputError, match=hint):
        load_link(name)
