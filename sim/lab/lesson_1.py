"""Lesson 1: anatomy of one inference."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="1 Anatomy of one inference")

with app.setup:
    from typing import Any

    import marimo as mo

    from sim import Scenario
    from sim.lab import kit

    SENT = ("instructions", "input", "parameters", "output", "load_parameters")
    GUESSES = ["less than a third", "about half", "more than three quarters"]


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        # 1 · Anatomy of one inference

        One thread calls `invoke()` on one Edge TPU and waits. What happens in there?

        The driver takes the device's lock, sends the **instruction stream** (again, for every inference),
        then the **input**; the array **computes**, fetching on the way the parameters that do not fit on the
        chip; the **output** comes back and is copied into the caller's tensors.

        **The question: how much of `invoke()` is computing?** MobileNet v2, a fast PC, USB 3.
        """
    )


@app.cell
def _() -> Any:
    guess = mo.ui.radio(GUESSES, label="Your prediction: the array computes for ... of the time")
    mo.vstack([guess])
    return (guess,)


@app.cell
def _(guess: Any) -> None:
    asked = kit.answer(Scenario(models="mobilenet_v2_1.0_224"))
    part = kit.share(asked, "compute")
    right = GUESSES[0] if part < 0.4 else GUESSES[1] if part < 0.7 else GUESSES[2]
    why = f"{part:.0%} is computing, {kit.share(asked, *SENT):.0%} is dispatch and transfers, the rest host work."
    mo.Html(kit.reveal(guess.value, right, why))


@app.cell
def _() -> Any:
    network = mo.ui.dropdown(kit.NETWORKS, value=kit.NETWORKS[0], label="network")
    host = mo.ui.dropdown(kit.HOSTS, value=kit.HOSTS[0], label="host")
    link = mo.ui.dropdown(["usb3", "usb2", "pcie"], value="usb3", label="link")
    cores = mo.ui.slider(1, 8, value=4, label="cores of the host", show_value=True)
    mo.hstack([network, host, link, cores], justify="start", wrap=True)
    return cores, host, link, network


@app.cell
def _(cores: Any, host: Any, link: Any, network: Any) -> Any:
    scenario = Scenario(models=network.value, host=host.value, link=link.value, cores=cores.value, preprocess="resize")
    keys = ("invoke_ms.mean", "time_breakdown_ms.compute", "latency_ms.mean", "utilisation.accelerator",
            "utilisation.cpu")  # fmt: skip
    mo.Html(kit.figures(scenario, *keys) + kit.timeline(scenario))
    return (scenario,)


@app.cell
def _() -> None:
    mo.md(
        """
        **Read the picture.** The thread's box is `invoke()`; while it is pale green the thread sleeps and the
        accelerator works. Before it, the frame is resized in Python; the accelerator rests meanwhile. More
        cores change nothing here: one thread uses one core at a time.

        ### The part that does not shrink

        MobileNet v1 at four input sizes on your host and link: computing grows with the pixels,
        the fixed part and the instruction stream stay.
        """
    )


@app.cell
def _(scenario: Any) -> None:
    sizes = [128, 160, 192, 224]
    rows = [
        kit.answer(Scenario(models=f"mobilenet_v1_1.0_{size}", host=scenario.host, link=scenario.link))
        for size in sizes
    ]
    invoke = [row["invoke_ms"]["mean"] for row in rows]
    compute = [row["time_breakdown_ms"]["compute"] for row in rows]
    mo.Html(kit.columns(kit.curve("time (ms)", "input width", sizes, {"invoke()": invoke, "computing": compute}, 224)))


@app.cell
def _() -> None:
    mo.Html(
        kit.fact(
            "MobileNet v2 takes 2.29 ms on a Xeon over USB 3 and 10.77 ms on a Raspberry Pi 3B over USB 2: the same "
            "chip, another road to it.",
            "google-coral/pycoral v2.0.0, benchmarks/reference",
        )
    )


@app.cell
def _() -> None:
    slow = kit.answer(Scenario(models="mobilenet_v2_1.0_224", link="usb2", host="raspberry-pi-3b"))
    fast = kit.answer(Scenario(models="mobilenet_v2_1.0_224"))
    big = kit.answer(Scenario(models="inception_v3_299"))
    mo.vstack(
        [
            mo.md("### Exercises"),
            mo.Html(
                kit.exercise(
                    "What does USB 2 on a Raspberry Pi 3B make of MobileNet v2's invoke()?",
                    f"{slow['invoke_ms']['mean']:.2f} ms instead of {fast['invoke_ms']['mean']:.2f} ms; computing is "
                    f"{kit.share(slow, 'compute'):.0%} of a request instead of {kit.share(fast, 'compute'):.0%}.",
                )
                + kit.exercise(
                    "Why does Inception v3 show striped time on the accelerator?",
                    "Its parameters do not fit on the chip: the rest streams in with every inference and takes "
                    f"{big['time_breakdown_ms']['parameters']:.1f} of {big['invoke_ms']['mean']:.1f} ms (lesson 4).",
                )
            ),
        ]
    )


@app.cell
def _() -> None:
    mo.Html(kit.footer(1))


if __name__ == "__main__":
    app.run()
