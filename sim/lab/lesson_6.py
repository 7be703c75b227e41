"""Lesson 6: energy."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="6 Energy")

with app.setup:
    from typing import Any

    import marimo as mo

    from sim import Scenario
    from sim.lab import kit

    GUESSES = ["more: it draws more power", "the same", "less: it is done sooner"]
    PI: dict[str, Any] = {"host": "raspberry-pi-4", "preprocess": "resize"}


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        # 6 · Energy

        Power times time. A system draws most of its power **for being on**: the board, the stick's base, idle
        cores. Only a part goes with work: the array while it computes, bytes over the link, busy cores. Who
        finishes sooner shares the fixed part among more inferences.

        **The question: two threads keep the accelerator busy. Does an inference cost more energy or less**
        than with one?
        """
    )


@app.cell
def _() -> Any:
    guess = mo.ui.radio(GUESSES, label="Your prediction: an inference with two threads costs")
    mo.vstack([guess])
    return (guess,)


@app.cell
def _(guess: Any) -> None:
    one, two = (kit.answer(Scenario(models=kit.NETWORKS[0], threads=n, **PI)) for n in (1, 2))
    before, after = one["energy_mj_per_inference"], two["energy_mj_per_inference"]
    right = GUESSES[0] if after > 1.02 * before else GUESSES[2] if after < 0.98 * before else GUESSES[1]
    because = (
        f"{before:.1f} mJ become {after:.1f} mJ, although the power rises from {one['power_w']['total']:.2f} to "
        f"{two['power_w']['total']:.2f} W."
    )
    mo.Html(kit.reveal(guess.value, right, because))


@app.cell
def _() -> Any:
    threads = mo.ui.slider(1, 8, value=2, label="threads", show_value=True)
    accelerators = mo.ui.slider(1, 4, value=1, label="accelerators", show_value=True)
    clock = mo.ui.dropdown({"max (500 MHz)": "max", "std (250 MHz)": "std"}, value="max (500 MHz)", label="clock")
    network = mo.ui.dropdown(kit.NETWORKS, value=kit.NETWORKS[0], label="network")
    host = mo.ui.dropdown(kit.HOSTS, value="raspberry-pi-4", label="host")
    mo.hstack([threads, accelerators, clock, network, host], justify="start", wrap=True)
    return (accelerators, clock, host, network, threads)


@app.cell
def _(accelerators: Any, clock: Any, host: Any, network: Any, threads: Any) -> Any:
    scenario = Scenario(
        models=network.value, host=host.value, threads=threads.value, accelerators=accelerators.value,
        clock=clock.value, preprocess="resize",
    )  # fmt: skip
    keys = ("energy_mj_per_inference", "energy_accelerator_mj_per_inference", "power_w.total", "throughput_ips",
            "latency_ms.mean", "utilisation.accelerator")  # fmt: skip
    mo.Html(kit.figures(scenario, *keys) + kit.timeline(scenario))
    return (scenario,)


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        **Read the picture.** Every white gap in the accelerator's row costs its idle power. The half clock
        lowers the active power but stretches the time: look at what that does to the energy of an inference.

        ### Energy over threads, at both clocks
        """
    )


@app.cell
def _(scenario: Any) -> None:
    from dataclasses import replace

    counts = list(range(1, 9))
    fast = [kit.point(replace(scenario, threads=n, clock="max")) for n in counts]
    slow = [kit.point(replace(scenario, threads=n, clock="std")) for n in counts]
    whole = {
        "max clock": [row["energy_mj_per_inference"] for row in fast],
        "std clock": [row["energy_mj_per_inference"] for row in slow],
    }
    stick = {
        "max clock": [row["energy_accelerator_mj_per_inference"] for row in fast],
        "std clock": [row["energy_accelerator_mj_per_inference"] for row in slow],
    }
    mo.Html(
        kit.columns(
            kit.curve("whole system (mJ per inference)", "threads", counts, whole, scenario.threads),
            kit.curve("accelerators (mJ per inference)", "threads", counts, stick, scenario.threads),
        )
    )


@app.cell
def _() -> None:
    mo.Html(
        kit.fact(
            "MobileNet v1 on a USB stick drew 0.532 W at the full clock and 0.462 W at the half one, "
            "but needed 6.0 and "
            "7.86 ms an image: 3.2 mJ against 3.6 mJ at the plug.",
            "Blott et al., QuTiBench, RCL-lab/QutibenchWeb, USB power meter; mJ are watts times system latency",
        )
    )


@app.cell
def _() -> None:
    std = kit.answer(Scenario(models=kit.NETWORKS[0], threads=2, clock="std", **PI))
    sticks = kit.answer(Scenario(models=kit.NETWORKS[0], threads=4, accelerators=2, **PI))
    mo.vstack(
        [
            mo.md("### Exercises"),
            mo.Html(
                kit.exercise(
                    "What does the half clock make of the two threads' energy?",
                    f"{std['energy_mj_per_inference']:.1f} mJ for the whole system, "
                    f"{std['energy_accelerator_mj_per_inference']:.1f} mJ for the accelerator.",
                )
                + kit.exercise(
                    "Does a second accelerator with four threads save energy, too?",
                    f"{sticks['energy_mj_per_inference']:.1f} mJ: a gain of "
                    f"{sticks['energy_gain_vs_one_thread']:.2f} x "
                    "over one thread, because the board's share shrinks more than the second stick's "
                    "idle power costs.",
                )
            ),
        ]
    )


@app.cell
def _() -> None:
    mo.Html(kit.footer(6))


if __name__ == "__main__":
    app.run()
