"""The Perfetto timeline: valid, complete, exact to the nanosecond, and flat in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict

import pytest
from hand import accelerator_stage, network
from recordings import FAST, SCENARIOS
from trace_check import check, load, ns, slices_by_track, track_names

from hwmodels.errors import InputError
from hwmodels.stages import CpuStage, StepTime
from sim import Scenario, simulate
from sim.engine import Run
from sim.machine.states import BREAKDOWN, State
from sim.setup import build
from sim.views.timeline import SLICES, TimelineWriter, record


@pytest.fixture(params=SCENARIOS, ids=str)
def scenario(request):
    return Scenario(**SCENARIOS[request.param])


def test_the_trace_is_valid(scenario, tmp_path):
    record(scenario, tmp_path / "trace.json", layers=True)
    check(load(tmp_path / "trace.json"))


def test_spans_add_up_to_the_breakdown_to_the_nanosecond(scenario):
    """Over the measured window: spans by component and state against the totals that the answer is made of."""
    spans = []
    run = Run(build(scenario), lambda span: spans.append((run.opened, run.closed, span)))
    window = run.until_steady()
    found = defaultdict(Counter)
    for opened, closed, span in spans:
        if opened is run.opened and closed is None:
            found[span.component][span.state] += span.end_ns - span.start_ns
    parts = [*window.threads, *window.accelerators, *window.links]
    for name, part in zip(run.recorder.components.names, parts, strict=True):
        assert {s: found[name][s] for s in BREAKDOWN} == {s: part.time_ns[s] for s in BREAKDOWN}, name


def test_slices_add_up_to_the_spans(scenario, tmp_path):
    """What the file shows is what the recorder counted: by state, over the whole run."""
    counted, path = Counter(), tmp_path / "trace.json"
    with TimelineWriter(path) as write:
        simulate(scenario, lambda span: (write(span), counted.update({span.state: span.end_ns - span.start_ns})), False)
    shown = Counter()
    events = load(path)
    for slices in slices_by_track(events).values():
        for start, end, name in slices:
            shown[name] += end - start
    for event in events:
        if event["ph"] in "be":
            shown["wait"] += ns(event["ts"]) * (1 if event["ph"] == "e" else -1)
    assert {SLICES[s]: counted[s] for s in counted if counted[s]} == {name: t for name, t in shown.items() if t}


def test_breakdown_of_a_finite_run_is_that_of_its_trace(tmp_path):
    """All forty inferences of an offline run count: the trace's sums over forty are the answer's milliseconds."""
    results, _ = record(Scenario(models=FAST, threads=2, arrivals="offline:40"), tmp_path / "trace.json")
    shown = Counter()
    events = load(tmp_path / "trace.json")
    for slices in slices_by_track(events).values():
        for start, end, name in slices:
            shown[name] += end - start
    breakdown = results.summary["time_breakdown_ms"]
    for state in (State.COMPUTE, State.INSTRUCTIONS, State.INPUT, State.OUTPUT, State.HOST_COPY, State.GIL_WAIT):
        assert breakdown[state.name.lower()] * 40e6 == pytest.approx(shown[SLICES[state]], abs=1e-3)


def hand_trace(setup, path, inferences, layers=False):
    from dataclasses import replace

    limited = replace(setup, scenario=replace(setup.scenario, inferences=inferences))
    with TimelineWriter(path, limited, layers) as write:
        Run(limited, write).until_steady()
    return load(path)


def test_a_hand_drawn_trace(hand_setup, tmp_path):
    """One inference of round numbers: every slice of every track."""
    events = hand_trace(hand_setup([network("a", accelerator_stage(), CpuStage(70))]), tmp_path / "trace.json", 1)
    names = track_names(events)
    rows = {names[track]: rows for track, rows in slices_by_track(events).items()}
    assert rows == {
        "thread 0": [(0, 390, "invoke"), (290, 320, "host_copy"), (320, 390, "cpu_op")],
        "coral 0": [
            (0, 100, "load_parameters"), (100, 140, "instructions"), (140, 170, "transfer_in"), (170, 270, "compute"),
            (270, 290, "transfer_out"),
        ],
        "usb3 0 to accelerator": [(0, 100, "send"), (120, 170, "send")],
        "usb3 0 to host": [(270, 290, "receive")],
    }  # fmt: skip


def test_arrows_lead_to_the_accelerator_and_back(hand_setup, tmp_path):
    events = hand_trace(hand_setup([network()]), tmp_path / "trace.json", 1)
    names = track_names(events)
    arrows = [(e["ph"], names[e["pid"], e["tid"]], ns(e["ts"])) for e in events if e["ph"] in "sf"]
    assert arrows == [("s", "thread 0", 0), ("f", "coral 0", 0), ("s", "coral 0", 289), ("f", "thread 0", 290)]


def test_a_pass_without_transfers_of_its_own_has_arrows_too(tmp_path):
    """A core on its board's memory ends its pass by computing; the dense layers on the CPU make a second pass."""
    record(Scenario(models="vgg_16_224", size="dpu-b512", inferences=2), tmp_path / "trace.json")
    events = load(tmp_path / "trace.json")
    check(events)
    assert sum(e["ph"] == "s" for e in events) == 2 * 2 * 2


def test_layers_fill_their_computation(tmp_path):
    scenario = Scenario(models="mobilenet_v1_1.0_224", inferences=2)
    record(scenario, tmp_path / "trace.json", layers=True)
    events = load(tmp_path / "trace.json")
    layers = [e for e in events if e.get("cat") == "layer" and e["args"]["request"] == 1]
    compute = next(e for e in events if e["name"] == "compute" and e["args"]["request"] == 1)
    assert len(layers) > 25
    assert sum(ns(e["dur"]) for e in layers) == ns(compute["dur"])


def test_a_compressed_trace_is_the_same(tmp_path):
    scenario = Scenario(models=FAST, threads=2, inferences=20)
    for name in ("trace.json", "trace.json.gz"):
        record(scenario, tmp_path / name)
    assert load(tmp_path / "trace.json") == load(tmp_path / "trace.json.gz")


def test_an_unwritable_path_is_one_line_and_an_error_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="can be written"):
        record(Scenario(models=FAST), tmp_path / "missing" / "trace.json")
    with pytest.raises(RuntimeError), TimelineWriter(tmp_path / "trace.json"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_names_are_escaped(hand_setup, tmp_path):
    events = hand_trace(hand_setup([network('a"\\<b>')]), tmp_path / "trace.json", 1)
    assert {e["args"]["model"] for e in events if e["ph"] == "X"} == {'a"\\<b>'}


def test_streamed_steps_and_their_waits_nest(hand_setup, tmp_path):
    steps = (StepTime(50, 0, 0), StepTime(40, 70, 700), StepTime(0, 30, 300))
    setup = hand_setup([network("a", accelerator_stage(steps=steps))], threads=4, accelerators=2)
    check(hand_trace(setup, tmp_path / "trace.json", 40, layers=True))


MEMORY = """
import json, sys
from pathlib import Path
from sim import Scenario
from sim.views.timeline import record
scenario = Scenario(models="fc5_n500_in64_out10", threads=4, accelerators=2, arrivals="poisson:1000",
                    inferences=int(sys.argv[2]))
results, slices = record(scenario, Path(sys.argv[1]), compare=False)
# Not ru_maxrss: a child's starts at its parent's.
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([results.window.completions, slices, peak]))
"""


def test_memory_stays_flat_over_many_inferences(tmp_path):
    """Six times the inferences, and six times the slices in the file, take hardly more memory."""
    inferences, slices, kilobytes = zip(
        *(recorded(tmp_path / "trace.json.gz", n) for n in (5_000, 30_000)), strict=True
    )
    assert inferences[1] >= 30_000
    assert slices[1] > 5.5 * slices[0] > 150_000
    assert kilobytes[1] < 1.15 * kilobytes[0]


def recorded(path, inferences):
    """Completed inferences, slices written, and peak memory (kB) of a recording in a process of its own."""
    arguments = [sys.executable, "-c", MEMORY, str(path), str(inferences)]
    return json.loads(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)
