"""Set-ups: what a scenario resolves to, what does not fit together, and numbers of parts that it replaces."""

from __future__ import annotations

import pickle

import pytest

from hwmodels.errors import InputError
from hwmodels.host import load_host
from hwmodels.link import load_link
from sim import Scenario, simulate
from sim.choices.market import has_port
from sim.setup import GilRules, build
from sim.setup.values import buses_of
from sim.trust.coverage import gaps

NET = "mobilenet_v1_0.25_128"
NUMBER = '{{ value = {}, status = "assumed", source = "a test" }}'


def own(folder, name, kind, base="", **numbers):
    """A part file of one's own; ``bus__usb4__floor_ns`` stands for ``bus.usb4.floor_ns``."""
    path = folder / f"{name}.toml"
    lines = [f'kind = "{kind}"', *([f'base = "{base}"'] if base else [])]
    lines += [f"{key.replace('__', '.')} = {NUMBER.format(value)}" for key, value in numbers.items()]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


# Numbers


def test_several_numbers_of_several_parts():
    setup = build(Scenario(models=NET, numbers={"size.clock_hz": 2.5e8, "size.spill_factor": 2, "host.cores": 2}))
    assert (setup.accelerators[0].clock_hz, setup.accelerators[0].spill_factor, setup.cores) == (2.5e8, 2, 2)
    assert setup.clocks_hz == (2.5e8,)
    assert setup.accelerators[0].quantities["clock_hz"].source == "set by the scenario"


def test_a_number_of_a_bus_is_one_of_the_host():
    setup = build(Scenario(models=NET, host="raspberry-pi-4", numbers={"host.bus.usb3.out_bytes_per_s": 1e8}))
    assert setup.channels[0].out_bytes_per_s == 1e8


def test_numbers_and_a_file_with_the_same_numbers_answer_alike(tmp_path):
    file = own(tmp_path, "coral", "accelerator", "coral", clock_hz=3e8, layer_cycles=2e4)
    filed = simulate(Scenario(models=NET, size=file, threads=2)).summary
    given = simulate(Scenario(models=NET, threads=2, numbers={"size.clock_hz": 3e8, "size.layer_cycles": 2e4})).summary
    same = ("throughput_ips", "energy_mj_per_inference", "latency_ms", "interval90", "warnings", "made_by")
    assert {key: given.get(key) for key in same} == {key: filed.get(key) for key in same}


def test_every_part_of_an_option_is_changed():
    setup = build(Scenario(models=NET, size="coral:2,large:1", link="usb3,pcie,pcie", numbers={
        "size.clock_hz": 3e8, "link.overlaps_input": 0.25,
    }))  # fmt: skip
    assert [part.name for part in setup.accelerators] == ["coral", "coral", "large"]
    assert {part.clock_hz for part in setup.accelerators} == {3e8}
    assert [(line.name, line.overlaps_input) for line in setup.channels] == [
        ("usb3", 0.25), ("pcie", 0.25), ("pcie", 0.25)
    ]  # fmt: skip


def test_the_same_numbers_make_the_same_part_again():
    """So that a network is compiled once for it, and its accelerators are alike."""
    first, second = (build(Scenario(models=NET, accelerators=2, numbers={"size.clock_hz": 3e8})) for _ in range(2))
    assert first.accelerators[0] is first.accelerators[1] is second.accelerators[0]
    assert first.executables[0][0] is second.executables[0][0]


def test_a_part_of_one_s_own_is_changed_too(tmp_path):
    scenario = Scenario(models=NET, host=own(tmp_path, "own", "host", "raspberry-pi-4", cores=2))
    host = build(scenario.with_options(numbers={"host.op_ns": 1})).host
    assert (host.cores, host.op_ns, host.bases) == (2, 1, ("raspberry-pi-4",))


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"size.clock_mhz": 500}, "did you mean 'clock_hz'?"),
        ({"size.clock_hz": -1}, "a number from"),
        ({"size.clock_hz": 0}, "above 0"),
        ({"host.cores": 2.5}, "whole number"),
        ({"host.cores": float("nan")}, "a number from"),
        ({"host.cores": True}, "must be a number"),
        ({"clock_hz": 1}, "size.KEY"),
        ({"net.clock_hz": 1}, "size.KEY"),
        ({"size.": 1}, "size.KEY"),
    ],
)
def test_a_number_that_no_part_can_have_is_refused(numbers, words):
    with pytest.raises(InputError) as error:
        build(Scenario(models=NET, numbers=numbers))
    assert words in str(error.value)


def test_numbers_are_a_value():
    numbers = {"host.cores": 2, "size.clock_hz": 3e8}
    scenario = Scenario(models=NET, numbers=numbers)
    assert scenario == Scenario(models=NET, numbers=tuple(reversed(numbers.items())))
    assert len({scenario, Scenario(models=NET, numbers=numbers), Scenario(models=NET)}) == 2
    assert pickle.loads(pickle.dumps(scenario)) == scenario
    assert Scenario(**scenario.options()) == scenario
    assert scenario.options()["numbers"] == numbers
    assert "numbers" not in Scenario(models=NET).options()
    assert simulate(scenario).summary["scenario"]["numbers"] == numbers


def test_numbers_go_with_the_part_that_they_are_of():
    scenario = Scenario(models=NET, numbers={"host.cores": 2, "size.clock_hz": 3e8})
    assert dict(scenario.with_options(size="large", threads=2).numbers) == {"host.cores": 2}
    assert scenario.with_options(size="coral", threads=2).numbers == scenario.numbers


# Whose rates count


def notes(**options):
    return [note for note in build(Scenario(models=NET, **options)).warnings if "rate" in note or "gives" in note]


def test_a_shipped_link_on_a_host_with_a_row_for_it_needs_no_words():
    assert notes(host="raspberry-pi-4", link="usb3") == []


def test_a_host_without_a_row_says_so_once():
    assert notes(host="raspberry-pi-4", link="pcie", accelerators=2) == [
        "host raspberry-pi-4 has no port for pcie that is known here: the link's own rates are used"
    ]


def test_another_bus_s_row_is_said_and_limits_the_link(tmp_path):
    usb4 = own(tmp_path, "usb4", "link", "usb3", out_bytes_per_s=2e9, in_bytes_per_s=1e9)
    setup = build(Scenario(models=NET, host="raspberry-pi-4", link=usb4))
    usb3 = load_host("raspberry-pi-4").buses["usb3"]
    assert setup.channels[0].out_bytes_per_s == usb3.out_bytes_per_s
    assert list(setup.warnings) == [
        "usb4 on raspberry-pi-4 is taken at usb3's rates: the host's file has no [bus.usb4]"
    ]
    assert gaps(setup) == ["link usb4: not the calibrated numbers"]


def test_a_row_of_the_link_s_own_name_wins(tmp_path):
    usb4 = own(tmp_path, "usb4", "link", "usb3", out_bytes_per_s=2e9, in_bytes_per_s=1e9)
    host = own(tmp_path, "pi", "host", "raspberry-pi-4", bus__usb4__out_bytes_per_s=1.5e9, bus__usb4__floor_ns=1e5)
    setup = build(Scenario(models=NET, host=host, link=usb4))
    (line,) = setup.channels
    assert (line.out_bytes_per_s, line.in_bytes_per_s, line.floor_ns, line.host_row) == (1.5e9, 1e9, 1e5, "usb4")
    assert setup.warnings == ()


def test_the_nearest_base_s_row_counts(tmp_path):
    usb4 = own(tmp_path, "usb4", "link", "usb3", out_bytes_per_s=2e9)
    cable = own(tmp_path, "cable", "link", usb4, floor_ns=5)
    host = own(tmp_path, "pi", "host", "raspberry-pi-4", bus__usb4__out_bytes_per_s=1.5e9)
    assert build(Scenario(models=NET, host=host, link=cable)).channels[0].out_bytes_per_s == 1.5e9


def test_a_slower_cable_is_not_said_to_run_at_another_s_rates(tmp_path):
    cable = own(tmp_path, "cable", "link", "usb3", out_bytes_per_s=1e6, in_bytes_per_s=1e6)
    assert build(Scenario(models=NET, host="raspberry-pi-4", link=cable)).warnings == (
        "cable on raspberry-pi-4 takes usb3's fixed time of an inference: the host's file has no [bus.cable]",
    )


@pytest.mark.parametrize("way", ["numbers", "a file of the same name"])
def test_a_rate_that_cannot_act_is_said(tmp_path, way):
    link = own(tmp_path, "usb3", "link", "usb3", out_bytes_per_s=2e9) if way != "numbers" else "usb3"
    given = {"link": link, "numbers": {"link.out_bytes_per_s": 2e9} if way == "numbers" else {}}
    limit = load_host("raspberry-pi-4").buses["usb3"].out_bytes_per_s
    assert notes(host="raspberry-pi-4", **given) == [
        f"out_bytes_per_s of usb3 is 2e+09, but raspberry-pi-4 gives no more than {limit:g}"
    ]


@pytest.mark.parametrize("host", ["raspberry-pi-4", "x86-xeon", "dev-board", "jetson-nano"])
@pytest.mark.parametrize("link", ["usb2", "usb3", "pcie"])
def test_every_number_of_a_link_acts_or_is_said_not_to(host, link):
    """Whatever is given for a number that an inference's time depends on: the time moves, or a sentence says why not."""
    plain = Scenario(models=NET, host=host, link=link)
    if not has_port(host, link):
        return
    for key, value in (("floor_ns", 5e6), ("out_bytes_per_s", 9e9), ("in_bytes_per_s", 9e9), ("out_bytes_per_s", 1e6)):
        moved = build(plain.with_options(numbers={f"link.{key}": value}))
        acts = moved.stage_times[0][0].latency_ns != build(plain).stage_times[0][0].latency_ns
        assert acts or any(note.startswith(f"{key} of {link}") for note in moved.warnings), (key, value)


def test_a_faster_link_acts_or_warns(tmp_path):
    """The fault that this is about: 2 GB/s gave usb3's answer without a word."""
    usb4 = own(tmp_path, "usb4", "link", "usb3", out_bytes_per_s=2e9)
    for host in ("raspberry-pi-4", "x86-xeon", "dev-board", "jetson-nano"):
        plain, faster = (simulate(Scenario(models=NET, host=host, link=link)) for link in ("usb3", usb4))
        acts = faster.summary["throughput_ips"] > plain.summary["throughput_ips"]
        assert acts or any("usb4" in note for note in faster.summary["warnings"])


def test_a_link_of_one_s_own_is_drawn_among_the_links(tmp_path):
    from sim.views.svg_timeline import film

    shot = film(Scenario(models=NET, link=own(tmp_path, "cable", "link", "usb3", floor_ns=5), inferences=4), 1)
    assert shot.components == {"thread 0": 0, "coral 0": 1, "cable 0": 2}
    assert {accelerator for accelerator, *_ in shot.passes} == {"coral 0"}


def test_what_a_link_says_of_the_clock_and_of_heat_is_its_part_s(tmp_path):
    lane = own(tmp_path, "lane", "link", "usb3", shared=0, throttles=1, std_clock=0)
    setup = build(Scenario(models=NET, link=lane, accelerators=2))
    assert [bus.is_shared for bus in setup.buses] == [False, False]
    assert all(line.throttles for line in setup.channels)
    with pytest.raises(InputError, match="std on coral over lane"):
        build(Scenario(models=NET, link=lane, clock="std"))
    assert load_link("usb3").std_clock


# Python's lock


def test_busy_threads_make_everybody_wait_an_interval_each():
    assert GilRules(5_000_000, 0, 200).turn_ns == 0
    assert GilRules(5_000_000, 2, 200).turn_ns == 10_000_200


# What is checked when parts and networks are loaded

MISFITS = [
    ({"models": "no_such_network"}, "zoo list"),
    ({"size": "korall"}, "did you mean 'coral'"),
    ({"size": "coral:2", "accelerators": 3}, "2, as --size coral:2 says"),
    ({"link": "usb3,pcie"}, "one link, or one for each of 1"),
    ({"link": "usb9"}, "usb2, usb3"),
    ({"host": "toaster"}, "FILE.toml"),
    ({"clock": "std", "link": "pcie"}, "max here"),
    ({"models": f"{NET}:2", "threads": 3}, "names 2"),
    ({"num_segments": 2}, "only a pipeline has segments"),
    ({"mode": "pipeline", "accelerators": 3, "num_segments": 2}, "a multiple of --num-segments 2"),
    ({"mode": "pipeline", "threads": 2}, "one network and no --threads"),
    ({"mode": "pipeline", "models": f"{NET},{NET}"}, "every segment of a pipeline has its own thread"),
    ({"mode": "pipeline", "num_segments": 3, "segmentation": "5"}, "2 layer numbers"),
    ({"mode": "pipeline", "segmentation": "evenly"}, "compiler, profiled"),
    ({"mode": "coexec"}, "one for each accelerator, the rest on the CPU"),
    ({"compiler": "2018"}, "2020, 2021"),
    ({"models": f"profile:dpu_kv260#nothing,{NET}"}, "only profiles"),
    ({"models": "profile:dpu_kv260#nothing"}, "NAME"),
]


@pytest.mark.parametrize(("options", "words"), MISFITS, ids=[str(options) for options, _ in MISFITS])
def test_what_does_not_fit_together_is_one_line(options, words):
    with pytest.raises(InputError) as error:
        build(Scenario(**{"models": NET, **options}))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


# What a scenario resolves to


def test_threads_take_the_networks_in_turn():
    other = "mobilenet_v1_0.5_160"
    assert build(Scenario(models=f"{NET},{other}", threads=5)).thread_models == (0, 1, 0, 1, 0)
    assert build(Scenario(models=f"{NET}:1,{other}:2")).thread_models == (0, 1, 1)
    assert build(Scenario(models=NET, threads=3)).thread_models == (0, 0, 0)


def test_sizes_and_links_for_each_accelerator():
    setup = build(Scenario(models=NET, size="coral,small:2", link="usb3,pcie,pcie"))
    assert [part.name for part in setup.accelerators] == ["coral", "small", "small"]
    assert [bus.name for bus in setup.channels] == ["usb3", "pcie", "pcie"]
    assert any("small was never measured" in note for note in setup.warnings)


def test_a_pipeline_has_a_thread_and_an_accelerator_for_each_segment():
    setup = build(Scenario(models=NET, mode="pipeline", num_segments=2, accelerators=4))
    assert setup.pipelines == ((0, 1), (2, 3))
    assert setup.thread_models == (0, 1, 0, 1)
    assert len(setup.accelerators) == 4


def test_threads_beyond_the_accelerators_run_on_the_cpu():
    setup = build(Scenario(models=NET, mode="coexec", threads=3, accelerators=1))
    assert setup.models == (NET, f"{NET} on the CPU")
    assert setup.thread_models == (0, 1, 1)


def test_more_processes_than_accelerators_are_noted():
    notes = build(Scenario(models=NET, mode="processes", threads=2)).warnings
    assert any("belongs to one process" in note for note in notes)
    assert not build(Scenario(models=NET, mode="processes", threads=2, accelerators=2)).warnings


@pytest.mark.parametrize(("options", "words"), [
    ({"accelerators": 2}, "1 thread can use 1 of 2 accelerators at a time: add --threads 2"),
    ({"accelerators": 3, "threads": 2, "mode": "processes"}, "2 processes can use 2 of 3 accelerators"),
    ({"accelerators": 2, "threads": 2}, ""), ({"accelerators": 2, "mode": "pipeline"}, ""), ({"accelerators": 0}, ""),
])  # fmt: skip
def test_accelerators_that_nobody_uses_are_said(options, words):
    notes = [note for note in build(Scenario(models="mobilenet_v2_1.0_224", **options)).warnings if "at a time" in note]
    assert [note.partition(words)[1] for note in notes] == ([words] if words else [])


@pytest.mark.parametrize(("options", "count"), [
    ({"host": "x86-desktop", "link": "pcie", "accelerators": 3}, 3), ({"host": "x86-desktop", "link": "pcie"}, 0),
    ({"host": "x86-desktop", "accelerators": 3}, 0), ({"host": "x86-desktop", "link": "pcie,pcie,usb3", "accelerators": 3}, 2),
    ({"host": "orange-pi-6-plus", "link": "pcie", "accelerators": 2}, 0),  # its file says: two places, a lane each
    ({"host": "raspberry-pi-5", "link": "pcie", "accelerators": 2}, 0),  # one lane, which they share (test_lane.py)
    ({"host": "jetson-nano", "link": "pcie", "accelerators": 2}, 2),  # one place, its lanes are not known
    ({"size": "dpu-b4096", "host": "zcu102", "accelerators": 3}, 0),
])  # fmt: skip
def test_cards_that_may_have_to_share_a_lane_are_said(options, count):
    said = [note for note in build(Scenario(models=NET, **options)).warnings if "lane each" in note]
    assert [note.split(" are taken")[0] for note in said] == [f"{count} accelerators over pcie"] * bool(count)


def test_a_link_file_puts_cards_behind_one_lane(tmp_path):
    lane = own(tmp_path, "lane", "link", "pcie", shared=1)
    setup = build(Scenario(models=NET, host="x86-desktop", link=lane, accelerators=3))
    assert [bus.is_shared for bus in buses_of(setup.channels)] == [True]
    assert not any("lane each" in note for note in setup.warnings)
