"""A study of five networks on a tiny grid, with somebody else's estimator beside ours (fixture ``tiny_study``)."""

from __future__ import annotations

from sim.study.grid import Case, Grid

NETS = ("mobilenet_v1_0.25_128", "mobilenet_v2_1.0_224", "inception_v1_224", "squeezenet_1.1_224", "lenet_5_28")
CASES = (
    Case(name="headline", host="dev-board", link="pcie", threads=(1, 2, 5), accelerators=(1, 2)),
    Case(name="headline, Pi 4", host="raspberry-pi-4", link="usb3", threads=(1, 2, 5), accelerators=(1, 2)),
    Case(name="processes", host="dev-board", link="pcie", mode="processes", threads=(1, 2)),
    Case(name="no preprocessing", host="dev-board", link="pcie", preprocess="none", threads=(1, 2)),
)
GRID = Grid(NETS, ("small", "coral", "large"), CASES)


def twice_the_bound(options, stages):
    """Somebody else's estimator: twice what one thread gives."""
    assert options["threads"] >= 1
    return 2e9 / stages["stage_alone_ns"]
