"""A scenario resolved: the parts, compiled networks and stage times that its options stand for."""

from __future__ import annotations

from sim.setup.acting import DEVICE_OPTIONS
from sim.setup.assembly import assemble, assemble_graphs, assemble_pipeline
from sim.setup.building import build, host_of, parts_of, with_best_cut
from sim.setup.cutting import Cutter, cuts_of
from sim.setup.times import host_work, retimed
from sim.setup.values import Bus, GilRules, Parts, Rows, Setup, at_divisor, base_name
from sim.setup.work import accelerator_count

__all__ = [
    "DEVICE_OPTIONS", "Bus", "Cutter", "GilRules", "Parts", "Rows", "Setup", "accelerator_count", "assemble",
    "assemble_graphs", "assemble_pipeline", "at_divisor", "base_name", "build", "cuts_of", "host_of", "host_work",
    "parts_of", "retimed", "with_best_cut",
]  # fmt: skip
