"""Without numpy and whatever else a browser lacks, answers are the same to the last digit."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sim import Scenario, advise, estimate, simulate

#: What the static page has: SimPy, flatbuffers and tflite. These are not there.
BLOCKED = ("numpy", "platformdirs", "rich", "typer", "networkx", "pydantic", "polars", "scipy", "sklearn")
PROGRAM = """
import json, sys
sys.modules.update(dict.fromkeys({blocked!r}))  # to import one of them is a ModuleNotFoundError
from sim import Scenario, advise, estimate, simulate
ask = {{"simulate": lambda s: simulate(s).summary, "estimate": estimate, "advise": advise}}
asked = json.load(sys.stdin)
json.dump([ask[verb](Scenario(**options)) for verb, options in asked], sys.stdout)
"""
SMALL = "mobilenet_v1_0.25_128"
#: One question for each path that once needed numpy or a folder of the user's own.
QUESTIONS = [
    ("simulate", {"models": SMALL, "threads": 3, "preprocess": "resize", "host": "raspberry-pi-4"}),
    ("simulate", {"models": SMALL, "arrivals": "poisson:200", "inferences": 300}),
    ("simulate", {"models": f"{SMALL}@90,mobilenet_v2_1.0_224@40", "inferences": 300}),
    ("simulate", {"models": SMALL, "arrivals": "server:100", "jitter": "measured", "inferences": 300}),
    ("simulate", {"models": SMALL, "cameras": "3x10", "motion": 0.5, "regions": 2.5, "inferences": 200}),
    ("simulate", {"models": "conv5x3x3_f32_64x64", "mode": "pipeline", "accelerators": 2}),
    ("simulate", {"models": "resnet_50_v1_224", "size": "dpu-b4096", "threads": 2}),
    ("estimate", {"models": SMALL, "threads": 4, "accelerators": 2, "host": "raspberry-pi-4"}),
    ("estimate", {"models": f"{SMALL}:2,mobilenet_v2_1.0_224:1", "arrivals": "poisson:30"}),
    ("advise", {"models": SMALL, "threads": 2, "host": "raspberry-pi-4", "preprocess": "resize"}),
]


@pytest.fixture(scope="module")
def bare():
    """Answers of a process in which those packages cannot be imported."""
    program = PROGRAM.format(blocked=BLOCKED)
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(QUESTIONS), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def timeless(answer):
    """An answer without the seconds that it took."""
    now = {"now": timeless(answer["now"])} if "now" in answer else {}
    return {key: value for key, value in answer.items() if key != "wall_s"} | now


@pytest.mark.parametrize("number", range(len(QUESTIONS)), ids=[f"{verb}-{n}" for n, (verb, _) in enumerate(QUESTIONS)])
def test_an_answer_is_the_same_with_and_without_numpy(bare, number):
    verb, options = QUESTIONS[number]
    ask = {"simulate": lambda scenario: simulate(scenario).summary, "estimate": estimate, "advise": advise}[verb]
    expected = json.loads(json.dumps(ask(Scenario(**options))))
    assert timeless(bare[number]) == timeless(expected)
