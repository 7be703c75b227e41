"""Lesson 3: the GIL and the cores."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="3 The GIL and the cores")

with app.setup:
    from typing import Any

    import marimo as mo

    from sim import Scenario
    from sim.lab import kit

    GUESSES = ["the accelerator", "Python's lock", "the cores"]
    SMALL = "mobilenet_v1_0.25_128"


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        # 3 · The GIL and the cores

        `invoke()` lets go of Python's global interpreter lock, so threads overlap on the accelerator. What
        you do around it often does not: a part of pre- and postprocessing holds the **GIL**, and another
        Python thread that computes hands it over only after the **switch interval** (5 ms). Every thread also
        needs a **core**.

        **The question: what limits eight threads** with the smallest MobileNet on a Raspberry Pi 4, if
        another Python thread computes in the same process (a user interface, say)?
        """
    )


@app.cell
def _() -> Any:
    guess = mo.ui.radio(GUESSES, label="Your prediction: the limit is")
    mo.vstack([guess])
    return (guess,)


@app.cell
def _(guess: Any) -> None:
    kinds = {"accelerator": 0, "link": 0, "gil": 1, "cpu": 2}
    asked = kit.answer(
        Scenario(models=SMALL, threads=8, host="raspberry-pi-4", preprocess="resize", busy_python_threads=1)
    )
    right = GUESSES[kinds[asked["bottleneck"]]]
    because = (
        f"The GIL is held {asked['utilisation']['gil']:.0%} of the time and an inference waits "
        f"{asked['time_breakdown_ms']['gil_wait']:.1f} ms for it: each request for the lock costs a switch interval."
    )
    mo.Html(kit.reveal(guess.value, right, because))


@app.cell
def _() -> Any:
    threads = mo.ui.slider(1, 8, value=8, label="threads", show_value=True)
    cores = mo.ui.slider(1, 4, value=4, label="cores", show_value=True)
    busy = mo.ui.slider(0, 2, value=1, label="other busy Python threads", show_value=True)
    interval = mo.ui.slider(steps=[0.1, 0.5, 1, 5, 10], value=5, label="switch interval (ms)", show_value=True)
    mode = mo.ui.dropdown(["threads", "processes"], value="threads", label="workers are")
    host = mo.ui.dropdown(kit.HOSTS, value="raspberry-pi-4", label="host")
    mo.hstack([threads, cores, busy, interval, mode, host], justify="start", wrap=True)
    return (busy, cores, host, interval, mode, threads)


@app.cell
def _(busy: Any, cores: Any, host: Any, interval: Any, mode: Any, threads: Any) -> Any:
    gil = {"busy_python_threads": busy.value, "switch_interval_ms": interval.value} if mode.value == "threads" else {}
    scenario = Scenario(
        models=SMALL, threads=threads.value, cores=cores.value, host=host.value, mode=mode.value, preprocess="resize",
        **gil,
    )  # fmt: skip
    keys = ("throughput_ips", "latency_ms.mean", "time_breakdown_ms.gil_wait", "utilisation.gil", "utilisation.cpu",
            "utilisation.accelerator")  # fmt: skip
    length_ms = max(10, 1.5 * kit.answer(scenario)["latency_ms"]["mean"])
    mo.Html(kit.figures(scenario, *keys) + kit.headline(scenario) + kit.timeline(scenario, length_ms))
    return (scenario,)


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        **Read the picture.** Crossed lines: a thread waits for Python's lock. With one busy thread every piece
        of Python waits for a switch interval; set it to none and the lines are gone. Processes have a lock each,
        but an accelerator belongs to one process: sharing it among processes takes a server, whose cost is not
        modelled.

        ### Threads against processes
        """
    )


@app.cell
def _(scenario: Any) -> None:
    from dataclasses import replace

    counts = list(range(1, 9))
    threaded = [kit.point(replace(scenario, threads=n, mode="threads")) for n in counts]
    alone = replace(scenario, mode="processes", busy_python_threads=0, switch_interval_ms=Scenario.switch_interval_ms)
    apart = [kit.point(replace(alone, threads=n)) for n in counts]
    rates = {
        "threads": [row["throughput_ips"] for row in threaded],
        "processes": [row["throughput_ips"] for row in apart],
    }
    waits = {"threads": [row["time_breakdown_ms"]["gil_wait"] for row in threaded]}
    mo.Html(
        kit.columns(
            kit.curve("throughput (inferences/s)", "workers", counts, rates, scenario.threads),
            kit.curve("waiting for Python's lock (ms)", "workers", counts, waits, scenario.threads),
        )
    )


@app.cell
def _() -> None:
    mo.Html(
        kit.fact(
            "The same invoke took 2.88 ms in the main thread and 3.45 ms in a fresh Python thread "
            "for each call: threads "
            "cost when they start, so keep them.",
            "google-coral/pycoral issue 12, a maintainer's test on a Raspberry Pi",
        )
    )


@app.cell
def _() -> None:
    calm = kit.answer(Scenario(models=SMALL, threads=4, host="raspberry-pi-4", preprocess="resize"))
    noisy = kit.answer(
        Scenario(models=SMALL, threads=4, host="raspberry-pi-4", preprocess="resize", busy_python_threads=1)
    )
    quick = kit.answer(
        Scenario(
            models=SMALL,
            threads=4,
            host="raspberry-pi-4",
            preprocess="resize",
            busy_python_threads=1,
            switch_interval_ms=0.1,
        )
    )
    short: dict[str, Any] = {"models": "mobilenet_v1_0.5_160", "host": "x86-epyc-litert", "preprocess": "resize"}
    two, eight = (kit.answer(Scenario(threads=threads, **short)) for threads in (2, 8))
    ideal = kit.answer(Scenario(threads=8, numbers={"host.lock_wake_ns": 0}, **short))
    mo.vstack(
        [
            mo.md("### Exercises"),
            mo.Html(
                kit.exercise(
                    "What does one busy Python thread cost four workers?",
                    f"{calm['throughput_ips']:.0f} inferences a second become {noisy['throughput_ips']:.0f}.",
                )
                + kit.exercise(
                    "What does <code>sys.setswitchinterval(0.0001)</code> make of that?",
                    f"{quick['throughput_ips']:.0f} inferences a second.",
                )
                + kit.exercise(
                    "A server with two cores, MobileNet v1 0.5: what do eight threads bring over two?",
                    f"{eight['throughput_ips']:.0f} instead of {two['throughput_ips']:.0f} inferences a second. If a "
                    f"woken thread needed no core, it would be {ideal['throughput_ips']:.0f}.",
                )
            ),
        ]
    )


@app.cell
def _() -> None:
    mo.Html(kit.footer(3))


if __name__ == "__main__":
    app.run()
