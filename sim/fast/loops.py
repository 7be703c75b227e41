"""A run of a closed loop by the compiled state machine; the window opens and closes as :class:`sim.engine.Run` says.

The machine is wired as for SimPy. Whenever the run is looked at, its totals are written back into the recorder, cores
and lock of that machine. So the rules of stopping and the sums of a window stand once, in :mod:`sim.engine`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from sim.engine import MAX_PERIODIC, Run
from sim.fast import arrays as at
from sim.fast.kernel import advance
from sim.fast.wiring import wired
from sim.steady import EXACT_VALUES, LatencyCounts
from sim.window import Window

__all__ = ["Loop"]

POWERS = 10 ** np.arange(19)
MOST_KEPT = 1 << 16  # completions
NONE = np.zeros((3, 0), np.int64)  # of them
FEW = 128  # values that Python counts in the time in which numpy has sorted them


class Loop(Run):
    """One run of a closed loop of constant times."""

    def _start(self) -> None:
        self.wiring = wired(self.setup, self.machine, self.limit, self.duration_ns)
        self.memory = self.wiring.memory
        self.memory[at.GOAL] = self.check_at
        self.kept: list[Any] = []  # (model, latency and invoke ns; completion) since the window opened

    @property
    def now(self) -> int:
        """The present moment (ns)."""
        return int(self.memory[at.NOW])

    @property
    def was_raced(self) -> bool:
        """Whether somebody asked for a lock while a woken waiter was on its way to it."""
        return bool(self.wiring.accelerators[:, at.WAS_RACED].any())

    def until_steady(self) -> Window:
        """Run to the end of the measured window, and at least as long as was asked for."""
        reason = advance(self.memory)
        while reason == at.COMPLETED:
            self._look()
            reason = advance(self.memory)
        if reason == at.TOO_LONG:
            return Run(self.setup, most=self.most).until_steady()
        self._take_rows()
        self.completions = int(self.memory[at.DONE])
        if self.closed is None:
            self._write_back()
        window = self.closed or self._close()
        window.completions, window.ran_ns, window.was_raced = self.completions, self.now, self.was_raced
        window.engine = "fast"
        del self.memory, self.wiring, self.history  # a run refers to itself, so that it is collected late
        return window

    def _look(self) -> None:
        """See whether the window opens, closes or goes on, and whether enough was seen."""
        self._take_rows()
        self.completions = int(self.memory[at.DONE])
        if self.closed is not None:
            self._stop_if_enough()
        elif self.completions >= self.check_at:
            self._write_back()
            self._check(self.now)
        self.memory[at.STOPS] = self.stop.triggered
        self.memory[at.IS_RECORDING] = self.closed is None
        self.memory[at.GOAL] = self.check_at if self.closed is None else self.wanted

    def _take_rows(self) -> None:
        """Keep the completions since the last look, and note them for the search of a period."""
        count = int(self.memory[at.ROWS])
        self.memory[at.ROWS] = 0
        rows = self.wiring.rows[:, :count]
        if not self.is_periodic and len(self.history) < MAX_PERIODIC:
            self._note_history(rows[:, : MAX_PERIODIC - len(self.history)])
        self.kept.append(rows[at.OF_MODEL : at.INVOKE_NS + 1].copy())
        self.opened.note(rows[at.END].tolist(), set(rows[at.OF_THREAD].tolist()))
        if sum(len(kept[0]) for kept in self.kept) > MOST_KEPT:
            self._count_kept()

    def _count_kept(self) -> None:
        """Count the latencies of the completions that were kept since the window opened."""
        models, *both = np.concatenate([NONE, *self.kept], axis=1)
        self.kept.clear()
        for model, counts in enumerate(zip(self.opened.latency, self.opened.invokes, strict=True)):
            own = slice(None) if len(self.setup.models) == 1 else models == model
            for values, one in zip(both, counts, strict=True):
                _count(one, values[own])

    def _open(self, now: int) -> None:
        super()._open(now)
        self.kept.clear()

    def _close(self) -> Window:
        self._count_kept()
        return super()._close()

    def _note_history(self, rows: Any) -> None:
        """Note completions for the search of a period, as :meth:`sim.engine.Run.completed` does."""
        ends, models, latencies, _, numbers, by = rows.tolist()
        served = [0] * len(ends) if self.setup.turns else by
        gaps = [end - last for end, last in zip(ends, [self.last_ns, *ends], strict=False)]
        self.history += zip(numbers, models, latencies, gaps, served, strict=True)
        self.last_ns = ends[-1] if ends else self.last_ns

    def _write_back(self) -> None:
        """Write the totals so far where the window looks for them."""
        machine, place = self.machine, self.recorder.components
        machine.cores.busy_ns = int(self.memory[at.CORE_NS])
        if machine.gil:
            machine.gil.busy_ns = int(self.memory[at.GIL_NS])
        threads, devices = self.wiring.threads.tolist(), self.wiring.accelerators.tolist()
        time_ns = [*(row[at.SPENT :] for row in threads), *(row[at.BUSY :] for row in devices)]
        self.recorder.time_ns[: len(time_ns)] = time_ns
        for number, row in enumerate(devices):
            device, link = place.accelerator(number), place.link(number)
            self.recorder.waited_ns[device] = row[at.WAITED]
            self.recorder.time_ns[link][at.NS_SENT] = row[at.LOADS_NS]
            for component, state in ((device, at.NS_LOAD), (link, at.NS_SENT)):
                self.recorder.n_bytes[component][state] = row[at.LOADS_BYTES]
        self._write_passes()

    def _write_passes(self) -> None:
        """Write how often each stage passed, in the order in which they first did."""
        passes, stages = self.wiring.passes, self.wiring.stages
        found = np.argwhere(passes[:, :, at.COUNT]).tolist()
        for number, kind in sorted(found, key=lambda pair: int(passes[pair[0], pair[1], at.PLACE_SEEN])):
            stage = stages[kind]
            self.recorder.passes[number, id(stage)] = int(passes[number, kind, at.COUNT])
            self.recorder.stages[id(stage)] = stage


def _count(counts: LatencyCounts, values: Any) -> None:
    """Count latencies; so many different ones that they are to be rounded are rounded all at once."""
    found = _counted(values)
    if counts.rounded or len(found) > EXACT_VALUES:
        counts.add_rounded(_counted(_four_digits(values)), int(values.sum()))
    else:
        counts.add_counts(found)


def _four_digits(values: Any) -> Any:
    """Whole numbers rounded to four digits, as :class:`sim.steady.LatencyCounts` rounds each."""
    scales = POWERS[np.maximum(0, np.searchsorted(POWERS, values, side="right") - 4)]
    return (values + scales // 2) // scales * scales


def _counted(values: Any) -> Mapping[int, int]:
    """How often each value comes: few are counted by Python, many by numpy."""
    if len(values) < FEW:
        return Counter(values.tolist())
    found, times = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), times.tolist(), strict=True))
