"""The closed form against queueing theory, hand numbers and the simulator; the vectorised path against the scalar."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hand import network, tpu_stage

from hwmodels.errors import InputError
from hwmodels.timing import StepTime
from sim.bounds import limits, lines, one_thread_ips, throughput_bound
from sim.engine import run, simulate
from sim.estimator import estimate, estimate_setup
from sim.scenario import Scenario
from sim.setup import build
from sim.stages import STAGE_COLUMNS, flows, power_at, stage_columns
from sim.vectorised import METHODS, estimate_many, exact_mva, throughput

NET = "mobilenet_v1_0.25_128"


def computing(ns, **changes):
    """A network that computes for ``ns`` on the accelerator, 90 ns of transfers and 30 ns of copy around it."""
    return network("a", tpu_stage(steps=(StepTime(ns, 0, 0),)), **changes)


def table(setup):
    """The columns of one set-up."""
    counts = {"threads": len(setup.thread_models), "accelerators": len(setup.accelerators), "cores": setup.cores}
    return stage_columns(setup) | counts


def random_columns(n, seed=0):
    """Columns of random closed networks."""
    stream = np.random.default_rng(seed)
    held, gil, native = (stream.uniform(1e5, 1e7, n) for _ in range(3))
    columns = {name: np.zeros(n) for name in STAGE_COLUMNS}
    columns |= {
        "threads": stream.integers(1, 9, n), "accelerators": stream.integers(1, 5, n), "cores": np.full(n, 4),
        "stage_alone_ns": held + gil + native, "stage_held_ns": held, "stage_gil_ns": gil, "stage_cpu_ns": gil + native,
        "stage_out_ns": held * 0.4, "stage_in_ns": held * 0.1, "stage_bound": np.ones(n),
        "stage_shared_link": stream.integers(0, 2, n).astype(float), "stage_static_w": np.full(n, 3.0),
        "stage_dynamic_mj": np.full(n, 1.0),
    }  # fmt: skip
    return columns


def test_one_thread_takes_its_own_time():
    setup = build(Scenario(models=NET, preprocess="resize"))
    assert throughput_bound(setup) == pytest.approx(1e9 / setup.networks[0][0].latency_ns)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_two_stations_by_hand(hand_setup, threads):
    """3 ms held, 1 ms of CPU around it: n / 4 ms until the accelerator is full at 1 / 3 ms."""
    one = computing(3_000_000, preprocess_ns=1_000_000)
    setup = hand_setup([one], threads=threads)
    expected = min(threads * 1e9 / 4_000_120, 1e9 / 3_000_090)
    assert throughput_bound(setup) == pytest.approx(expected)
    assert run(setup).throughput_ips == pytest.approx(expected)


def test_threads_are_bound_to_accelerators_one_by_one(hand_setup):
    """Three threads on two accelerators: the one with a single thread idles while the other is full."""
    setup = hand_setup([computing(3_000_000, preprocess_ns=2_000_000)], threads=3, accelerators=2, link="pcie")
    assert throughput_bound(setup) == pytest.approx(1e9 / 3_000_090 + 1e9 / 5_000_120)


def test_cores_bound_where_host_work_is_all(hand_setup):
    setup = hand_setup([computing(1_000, preprocess_ns=8_000_000)], threads=8)
    assert throughput_bound(setup) == pytest.approx(4e9 / 8_000_000, rel=0.01)
    assert min(limits(setup, lines(setup)), key=limits(setup, lines(setup)).get) == "cpu"


@pytest.mark.parametrize(
    "options",
    [
        {"models": NET, "threads": 4, "accelerators": 2, "link": "pcie", "host": "dev-board", "preprocess": "resize"},
        {"models": f"{NET},mobilenet_v2_1.0_224"},
        {"models": f"{NET},mobilenet_v2_1.0_224", "cocompile": True},
        {"models": f"{NET}:2,mobilenet_v2_1.0_224:1", "accelerators": 2, "link": "pcie"},
        {"models": "inception_v3_299", "mode": "pipeline", "num_segments": 3, "link": "pcie"},
        {"models": "inception_v3_299", "mode": "pipeline", "num_segments": 2, "link": "pcie", "batch": 10},
        {"models": NET, "threads": 3, "size": "coral:1,large:1", "dispatch": "least_loaded", "link": "pcie"},
        {"models": NET, "threads": 2, "busy_python_threads": 1},
        {"models": NET, "arrivals": "poisson:100"},
    ],
)
def test_against_the_simulator(options):
    """Where service is constant and nothing meets by chance the closed form is the simulator's answer."""
    scenario = Scenario(**options)
    simulated, estimated = simulate(scenario).summary, estimate(scenario)
    tolerance = 0.05 if "poisson" in scenario.arrivals else 0.005
    assert estimated["throughput_ips"] == pytest.approx(simulated["throughput_ips"], rel=tolerance)
    assert estimated["latency_ms"]["mean"] == pytest.approx(simulated["latency_ms"]["mean"], rel=max(0.01, tolerance))
    energy = simulated["energy_mj_per_inference"]
    assert estimated["energy_mj_per_inference"] == pytest.approx(energy, rel=max(0.02, tolerance))
    assert set(estimated) - {"method"} <= set(simulated)


@pytest.mark.parametrize("threads", [2, 3, 5, 8])
@pytest.mark.parametrize("accelerators", [1, 3])
def test_never_below_the_simulator(threads, accelerators):
    """A bound is a bound (0.5 % for a window that is not a whole period)."""
    options = {"host": "raspberry-pi-4", "preprocess": "resize", "inferences": 2000}
    setup = build(Scenario(models="mobilenet_v2_1.0_224", threads=threads, accelerators=accelerators, **options))
    assert run(setup).throughput_ips <= 1.005 * throughput_bound(setup)


def test_exact_mva_is_the_machine_repair_model():
    """Exponential think time Z and one server S: Erlang's formula for N customers (Lazowska ch. 6)."""
    think, service, customers = 7.0, 2.0, 6
    terms = [
        math.factorial(customers) / math.factorial(customers - k) * (service / think) ** k for k in range(customers + 1)
    ]
    expected = (1 - 1 / sum(terms)) / service
    found = exact_mva([np.array([service])], np.array([think]), np.array([float(customers)]))
    assert found[0] == pytest.approx(expected)


def test_exact_mva_is_the_convolution_algorithm():
    """Two queues and a delay: the normalising constants of Buzen 1973, computed by brute force."""
    a, b, think, customers = 3.0, 5.0, 4.0, 4

    def constant(n):
        return sum(
            a**i * b**j * think ** (n - i - j) / math.factorial(n - i - j)
            for i in range(n + 1)
            for j in range(n + 1 - i)
        )

    found = exact_mva([np.array([a]), np.array([b])], np.array([think]), np.array([float(customers)]))
    assert found[0] == pytest.approx(constant(customers - 1) / constant(customers))


def test_mva_lies_between_one_thread_and_the_bounds():
    columns = random_columns(500)
    (bound, _), (mva, _), (mix, _) = (throughput(columns, method) for method in METHODS)
    single = 1e9 / columns["stage_alone_ns"]
    assert (mva <= bound * 1.0000001).all()
    assert (mva >= 0.999 * np.minimum(single, bound)).all()
    assert ((mix >= mva * 0.999999) & (mix <= bound * 1.000001)).all()


def test_more_threads_never_lower_an_estimate():
    columns = random_columns(300)
    rates = [throughput(columns | {"threads": np.full(300, n)}, "bounds")[0] for n in range(1, 9)]
    assert all((after >= before * 0.999999).all() for before, after in pairwise(rates))


@pytest.mark.parametrize("threads", [1, 4, 7])
@pytest.mark.parametrize(("link", "accelerators"), [("pcie", 2), ("usb3", 1), ("usb3", 3)])
def test_vectorised_and_scalar_agree(threads, link, accelerators):
    setup = build(
        Scenario(
            models=NET, threads=threads, accelerators=accelerators, link=link, host="dev-board", preprocess="resize"
        )
    )
    columns = {key: np.array([value, value]) for key, value in table(setup).items()}
    many = estimate_many(columns)
    assert many["throughput_ips"][1] == pytest.approx(throughput_bound(setup))
    power = power_at(setup, flows(setup))
    assert many["power_w_total"][0] == pytest.approx(power.total_w)
    assert many["energy_mj_per_inference"][0] == pytest.approx(power.total_w / throughput_bound(setup) * 1e3)
    assert many["speedup_vs_one_thread"][0] == pytest.approx(
        throughput_bound(setup) * setup.networks[0][0].latency_ns / 1e9
    )


def test_ten_thousand_points_in_half_a_second():
    columns = random_columns(10_000)
    started = time.process_time()
    estimate_many(columns)
    assert time.process_time() - started < 0.5


def test_a_sum_of_times_is_the_latency():
    summary = estimate(Scenario(models=NET, threads=3, preprocess="resize", host="raspberry-pi-4"))
    assert sum(summary["time_breakdown_ms"].values()) == pytest.approx(summary["latency_ms"]["mean"])
    assert all(0 <= share <= 1 for share in summary["utilisation"].values())
    assert summary["throughput_ips"] * summary["latency_ms"]["mean"] / 1e3 == pytest.approx(3)


def test_an_open_loop_waits_as_pollaczek_and_khinchine_say():
    rate = 150.0
    summary = estimate(Scenario(models=NET, arrivals=f"poisson:{rate}", preprocess="resize", host="raspberry-pi-4"))
    service = build(Scenario(models=NET, preprocess="resize", host="raspberry-pi-4")).networks[0][0].latency_ns / 1e9
    load = rate * service
    assert summary["throughput_ips"] == rate
    assert summary["latency_ms"]["mean"] == pytest.approx(1e3 * (service + load * service / (2 * (1 - load))))
    assert summary["bottleneck"] == "arrivals"


def test_an_open_loop_that_does_not_keep_up_is_overloaded():
    summary = estimate(Scenario(models=NET, arrivals="poisson:100000"))
    assert summary["overloaded"]
    assert summary["latency_ms"]["mean"] < 1e6


def test_what_the_closed_form_does_not_know_it_says():
    summary = estimate(Scenario(models=NET, thermal="70", link="pcie", arrivals="offline:50"))
    assert sum("closed form" in note for note in summary["warnings"]) == 2


def test_a_swap_costs_the_parameters_every_time():
    setup = build(Scenario(models=f"{NET},mobilenet_v2_1.0_224"))
    each = [row[0].latency_ns + row[0].load_ns for row in setup.networks]
    held = [sum(stage.held_ns for stage in row[0].stages) + row[0].load_ns for row in setup.networks]
    assert throughput_bound(setup) == pytest.approx(2e9 / sum(held))
    assert one_thread_ips(replace(setup, turns=(0, 1))) == pytest.approx(2e9 / sum(each))


def test_unknown_method_is_bad_input():
    with pytest.raises(InputError, match="bounds, mva, mix"):
        estimate(Scenario(models=NET), method="mwa")


def test_correction_learns_what_it_is_shown():
    """Simulated points at 0.8 of the bound where the link is shared: predicted within 2 % on points not shown."""
    pytest.importorskip("sklearn")
    from sim.correction import Correction

    columns, others = random_columns(1500, 1), random_columns(200, 2)

    def truth(rows):
        return throughput(rows, "bounds")[0] * np.where(rows["stage_shared_link"] > 0, 0.8, 1.0)

    fitted = Correction(trees=20).fit(columns, truth(columns))
    ips, std = fitted.predict(others, return_std=True)
    assert np.abs(ips / truth(others) - 1).mean() < 0.02
    assert (std >= 0).all()
    assert (ips <= throughput(others, "bounds")[0] * 1.000001).all()
    assert "throughput_std_ips" in estimate_many(others, correction=fitted)


def test_correction_of_a_scenario():
    pytest.importorskip("sklearn")
    from sim.correction import Correction

    columns = random_columns(300)
    fitted = Correction(trees=5).fit(columns, throughput(columns, "bounds")[0])
    setup = build(Scenario(models=NET, threads=2))
    summary = estimate_setup(setup, correction=fitted)
    assert summary["throughput_ips"] == pytest.approx(throughput_bound(setup), rel=1e-6)
    assert summary["throughput_std_ips"] == pytest.approx(0, abs=1e-6)
