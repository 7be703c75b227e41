"""Lesson 5: more accelerators."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="5 More accelerators")

with app.setup:
    from typing import Any

    import marimo as mo

    from sim import Scenario
    from sim.lab import kit

    GUESSES = ["nearly double", "about one and a half", "nothing: the bus is full"]
    BIG = "inception_v3_299"


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        # 5 · More accelerators

        Two ways to use several: a **pool** (each runs whole networks for its own threads) or a **pipeline**
        (each runs one segment; an inference passes through all of them). In a pool every accelerator streams
        what does not fit; in a pipeline the segments' parameters may all fit, and nothing is streamed. USB
        accelerators share the controller.

        **The question: Inception v3 does not fit on one chip. What does a second USB accelerator bring as a
        pool?**
        """
    )


@app.cell
def _() -> Any:
    guess = mo.ui.radio(GUESSES, label="Your prediction: a second accelerator in a pool brings")
    mo.vstack([guess])
    return (guess,)


@app.cell
def _(guess: Any) -> None:
    asked = kit.answer(Scenario(models=BIG, threads=2, accelerators=2, host="x86-desktop"))
    gain = asked["speedup_vs_one_thread"]
    right = GUESSES[2] if gain < 1.2 else GUESSES[1] if gain < 1.75 else GUESSES[0]
    line = kit.answer(Scenario(models=BIG, accelerators=2, mode="pipeline", host="x86-desktop"))
    because = (
        f"The pool gains {gain:.2f} x and the bus is busy {asked['utilisation']['link_out']:.0%} of "
        "the time; the same "
        f"two as a pipeline gain {line['speedup_vs_one_thread']:.2f} x."
    )
    mo.Html(kit.reveal(guess.value, right, because))


@app.cell
def _() -> Any:
    accelerators = mo.ui.slider(1, 4, value=2, label="accelerators", show_value=True)
    threads = mo.ui.slider(1, 8, value=2, label="threads (pool)", show_value=True)
    way = mo.ui.dropdown(["pool", "pipeline"], value="pool", label="used as")
    link = mo.ui.dropdown(["usb3", "usb2", "pcie"], value="usb3", label="link")
    network = mo.ui.dropdown(kit.NETWORKS, value=BIG, label="network")
    host = mo.ui.dropdown(kit.HOSTS, value="x86-desktop", label="host")
    mo.hstack([accelerators, threads, way, link, network, host], justify="start", wrap=True)
    return (accelerators, host, link, network, threads, way)


@app.cell
def _(accelerators: Any, host: Any, link: Any, network: Any, threads: Any, way: Any) -> Any:
    line_up = way.value == "pipeline" and accelerators.value > 1
    scenario = Scenario(
        models=network.value, host=host.value, link=link.value, accelerators=accelerators.value,
        threads=1 if line_up else threads.value, mode="pipeline" if line_up else "threads",
    )  # fmt: skip
    keys = ("throughput_ips", "speedup_vs_one_thread", "latency_ms.mean", "utilisation.accelerator",
            "utilisation.link_out", "time_breakdown_ms.parameters")  # fmt: skip
    mo.Html(kit.figures(scenario, *keys) + kit.headline(scenario) + kit.timeline(scenario))
    return (scenario,)


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        **Read the picture.** In a pool over one USB controller the stripes grow when both stream at once:
        they share the bus chunk by chunk. Choose PCIe and each has lanes of its own. As a pipeline, an
        inference goes down the rows.

        ### Pool against pipeline
        """
    )


@app.cell
def _(scenario: Any) -> None:
    from dataclasses import replace

    counts = [1, 2, 3, 4]
    each = max(1, scenario.threads // scenario.accelerators)  # as many threads an accelerator as the sliders say
    pool = [kit.point(replace(scenario, accelerators=n, threads=each * n, mode="threads")) for n in counts]
    rows = [kit.point(replace(scenario, accelerators=n, threads=1, mode="pipeline")) for n in counts[1:]]
    rates = {
        "pool": [row["throughput_ips"] for row in pool],
        "pipeline": [row["throughput_ips"] for row in [pool[0], *rows]],
    }
    tails = {
        "pool": [row["latency_ms"]["mean"] for row in pool],
        "pipeline": [row["latency_ms"]["mean"] for row in [pool[0], *rows]],
    }
    mo.Html(
        kit.columns(
            kit.curve("throughput (inferences/s)", "accelerators", counts, rates, scenario.accelerators),
            kit.curve("latency of a request (ms)", "accelerators", counts, tails, scenario.accelerators),
        )
    )


@app.cell
def _() -> None:
    mo.Html(
        kit.fact(
            "Google's demo with Inception v3 on video shows about 20 frames a second with one Edge "
            "TPU and more than 50 "
            "with a pipeline of three.",
            "google-coral/example-multiple-edgetpus, README; whole application, rounded",
        )
    )


@app.cell
def _() -> None:
    pcie = kit.answer(Scenario(models=BIG, threads=2, accelerators=2, link="pcie", host="x86-desktop"))
    three = kit.answer(Scenario(models=BIG, accelerators=3, mode="pipeline", host="x86-desktop"))
    small = kit.answer(Scenario(models=kit.NETWORKS[0], threads=4, accelerators=2, host="x86-desktop"))
    mo.vstack(
        [
            mo.md("### Exercises"),
            mo.Html(
                kit.exercise("What does the pool of two gain over PCIe?", f"{pcie['speedup_vs_one_thread']:.2f} x.")
                + kit.exercise(
                    "How many inferences a second does a pipeline of three give, and how much is still streamed?",
                    f"{three['throughput_ips']:.0f} /s, with {three['time_breakdown_ms']['parameters']:.1f} ms of "
                    "streaming in an inference.",
                )
                + kit.exercise(
                    "Does MobileNet v2, which fits, mind the shared bus?",
                    f"Two accelerators gain {small['speedup_vs_one_thread']:.2f} x over USB 3.",
                )
            ),
        ]
    )


@app.cell
def _() -> None:
    mo.Html(kit.footer(5))


if __name__ == "__main__":
    app.run()
