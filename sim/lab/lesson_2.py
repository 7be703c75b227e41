"""Lesson 2: a second thread."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="2 A second thread")

with app.setup:
    from typing import Any

    import marimo as mo

    from sim import Scenario
    from sim.lab import kit

    GUESSES = ["nothing (1.0 x)", "about a third (1.1 to 1.6 x)", "nearly double (1.8 to 2.0 x)"]
    PI: dict[str, Any] = {"host": "raspberry-pi-4", "preprocess": "resize"}


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        # 2 · A second thread

        Thread 0 resizes a frame while nothing runs on the accelerator. A second thread could use that time.
        But the driver serves **one inference at a time**: from the first instruction byte to the last output
        byte the device's **lock** is held, and the second thread's transfers cannot even begin.

        **The question: what does a second thread bring** on a Raspberry Pi 4 with MobileNet v2 and a camera
        frame to resize before each inference?
        """
    )


@app.cell
def _() -> Any:
    guess = mo.ui.radio(GUESSES, label="Your prediction: the second thread brings")
    mo.vstack([guess])
    return (guess,)


@app.cell
def _(guess: Any) -> None:
    asked = kit.answer(Scenario(models=kit.NETWORKS[0], threads=2, **PI))
    gain = asked["speedup_vs_one_thread"]
    right = GUESSES[0] if gain < 1.1 else GUESSES[1] if gain < 1.6 else GUESSES[2]
    because = f"The gain is {gain:.2f} x: host work of one thread hides behind the other's time on the accelerator."
    mo.Html(kit.reveal(guess.value, right, because))


@app.cell
def _() -> Any:
    threads = mo.ui.slider(1, 8, value=2, label="threads", show_value=True)
    network = mo.ui.dropdown(kit.NETWORKS, value=kit.NETWORKS[0], label="network")
    host = mo.ui.dropdown(kit.HOSTS, value="raspberry-pi-4", label="host")
    frame = mo.ui.slider(0, 8, value=1, label="megapixels of the frame", show_value=True)
    mo.hstack([threads, network, host, frame], justify="start", wrap=True)
    return (frame, host, network, threads)


@app.cell
def _(frame: Any, host: Any, network: Any, threads: Any) -> Any:
    before = f"resize:1000x{1000 * frame.value}" if frame.value else "none"
    scenario = Scenario(models=network.value, host=host.value, threads=threads.value, preprocess=before)
    keys = ("throughput_ips", "speedup_vs_one_thread", "latency_ms.mean", "utilisation.accelerator",
            "time_breakdown_ms.wait")  # fmt: skip
    mo.Html(kit.figures(scenario, *keys) + kit.timeline(scenario))
    return (scenario,)


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        **Read the picture.** Hatched time is waiting for the lock. With two threads the accelerator's row has
        hardly a gap: only the time in which a woken thread comes to run. A third thread only waits longer:
        throughput stays, latency grows. The lock is a **mutex**, not a queue: a thread that comes back at once
        may go on before the one that it woke.

        ### Throughput and latency over threads
        """
    )


@app.cell
def _(scenario: Any) -> None:
    from dataclasses import replace

    counts = list(range(1, 9))
    rows = [kit.point(replace(scenario, threads=n)) for n in counts]
    rate = [row["throughput_ips"] for row in rows]
    latency = [row["latency_ms"]["mean"] for row in rows]
    mo.Html(
        kit.columns(
            kit.curve("throughput (inferences/s)", "threads", counts, {"simulated": rate}, scenario.threads),
            kit.curve("latency of a request (ms)", "threads", counts, {"mean": latency}, scenario.threads),
        )
    )


@app.cell
def _() -> None:
    mo.Html(
        kit.fact(
            "With MobileNet v1 at the full clock, QuTiBench's program needed 6.0 ms an image, of "
            "which 2.57 ms were on "
            "the accelerator: it idled for more than half of the time, and that is what a second thread can use.",
            "Blott et al., QuTiBench, RCL-lab/QutibenchWeb, Coral USB Accelerator",
        )
    )


@app.cell
def _() -> None:
    one = kit.answer(Scenario(models=kit.NETWORKS[0], threads=1, **PI))
    many = kit.answer(Scenario(models=kit.NETWORKS[0], threads=8, **PI))
    pure = kit.answer(Scenario(models=kit.NETWORKS[0], threads=2))
    mutex, fair = (
        kit.answer(Scenario(models="mobilenet_v1_1.0_224,mobilenet_v2_1.0_224", lock=lock))
        for lock in ("mutex", "fair")
    )
    mo.vstack(
        [
            mo.md("### Exercises"),
            mo.Html(
                kit.exercise(
                    "What do eight threads cost a request in latency, and what do they bring?",
                    f"{many['latency_ms']['mean']:.1f} ms instead of {one['latency_ms']['mean']:.1f} ms, for "
                    f"{many['throughput_ips']:.0f} instead of {one['throughput_ips']:.0f} inferences a second.",
                )
                + kit.exercise(
                    "And without preprocessing, on a fast PC: what is left for a second thread?",
                    f"{pure['speedup_vs_one_thread']:.2f} x: only the copy into the tensors and Python's own time "
                    "overlap with the accelerator.",
                )
                + kit.exercise(
                    "Two networks share the accelerator, a thread each. What would a fair lock cost them?",
                    f"{fair['throughput_ips']:.0f} instead of {mutex['throughput_ips']:.0f} inferences a second: in "
                    "turn, each sends its parameters for every inference. With a mutex each runs twice in a row.",
                )
            ),
        ]
    )


@app.cell
def _() -> None:
    mo.Html(kit.footer(2))


if __name__ == "__main__":
    app.run()
