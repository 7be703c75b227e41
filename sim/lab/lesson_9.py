"""Lesson 9: one large accelerator or three small ones."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="9 One large accelerator or three small ones")

with app.setup:
    from typing import Any

    import marimo as mo

    from sim import Scenario
    from sim.lab import kit

    GUESSES = ["the large one", "the three small ones", "neither: within 10 %"]
    #: Cores that need about the same multipliers of the chip -> their sizes.
    MIXES = {
        "1 x B4096": "dpu-b4096", "3 x B1024": "dpu-b1024,dpu-b1024,dpu-b1024", "2 x B1600": "dpu-b1600,dpu-b1600",
        "B2304 and B1024": "dpu-b2304,dpu-b1024",
    }  # fmt: skip
    BOARDS = ["kv260", "zcu102"]
    FIRST = kit.NETWORKS[0]

    def cores(network: str, sizes: str, host: str = BOARDS[0], threads: int = 8) -> Scenario:
        """The scenario of a mix: a request goes to whichever core is least loaded where they differ."""
        many = sizes.split(",")
        if len(set(many)) == 1:
            return Scenario(models=network, size=many[0], accelerators=len(many), threads=threads, host=host)
        return Scenario(
            models=network, size=sizes, accelerators=len(many), threads=threads, host=host, dispatch="least_loaded"
        )


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        # 9 · One large accelerator or three small ones

        AMD's DPU is drawn into a chip's programmable logic, in one of eight sizes. A **B4096** needs 710 of its
        multiplier blocks, a **B1024** 230. So in the place of one large core there is room for three small ones.

        The large one has 4096 operations in a cycle, the three have 3072. But a layer seldom fills a large array,
        and a small map leaves most of its rows idle. Three cores also have three **ports** to memory.

        **The question: which gives more inferences per second** for MobileNet v2 on a KV260 with eight threads?
        """
    )


@app.cell
def _() -> Any:
    guess = mo.ui.radio(GUESSES, label="Your prediction: more inferences come from")
    mo.vstack([guess])
    return (guess,)


@app.cell
def _(guess: Any) -> None:
    rate_1, rate_3 = (kit.answer(cores(FIRST, MIXES[name]))["throughput_ips"] for name in ("1 x B4096", "3 x B1024"))
    right = GUESSES[2] if abs(rate_3 / rate_1 - 1) < 0.1 else GUESSES[1] if rate_3 > rate_1 else GUESSES[0]
    because = (
        f"The large core reaches {rate_1:.0f} /s, the three small ones {rate_3:.0f} /s: depthwise layers and thin "
        "maps use the small arrays better."
    )
    mo.Html(kit.reveal(guess.value, right, because))


@app.cell
def _() -> Any:
    mix = mo.ui.dropdown(MIXES, value="3 x B1024", label="cores")
    threads = mo.ui.slider(1, 8, value=8, label="threads", show_value=True)
    network = mo.ui.dropdown(kit.NETWORKS, value=FIRST, label="network")
    host = mo.ui.dropdown(BOARDS, value=BOARDS[0], label="board")
    mo.hstack([mix, threads, network, host], justify="start", wrap=True)
    return (host, mix, network, threads)


@app.cell
def _(host: Any, mix: Any, network: Any, threads: Any) -> Any:
    scenario = cores(network.value, mix.value, host.value, threads.value)
    keys = ("throughput_ips", "speedup_vs_one_thread", "latency_ms.mean", "energy_mj_per_inference",
            "utilisation.accelerator")  # fmt: skip
    mo.Html(kit.figures(scenario, *keys) + kit.headline(scenario) + kit.timeline(scenario))
    return (scenario,)


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        **Read the picture.** Every core has a row of its own. A thread is bound to one core, so a single thread
        sees one small core only: the large one answers a lone request first.

        ### Every mix over threads
        """
    )


@app.cell
def _(host: Any, network: Any, threads: Any) -> None:
    counts = [1, 2, 3, 4, 6, 8]
    rows = {
        name: [kit.point(cores(network.value, sizes, host.value, n)) for n in counts] for name, sizes in MIXES.items()
    }
    rates = {name: [row["throughput_ips"] for row in found] for name, found in rows.items()}
    waits = {name: [row["latency_ms"]["mean"] for row in found] for name, found in rows.items()}
    mo.Html(
        kit.columns(
            kit.curve("throughput (inferences/s)", "threads", counts, rates, threads.value),
            kit.curve("latency of a request (ms)", "threads", counts, waits, threads.value),
        )
    )


@app.cell
def _() -> None:
    mo.Html(
        kit.fact(
            "A B4096 with four times the array of a B1024 took 5.29 s instead of 14.41 s for the same images with "
            "ResNet-50, 2.7 times less, and 0.657 s instead of 0.733 s with MobileNet.",
            "MaistoV/multi_dpu, measures by size; CIFAR-100",
        )
    )


@app.cell
def _() -> None:
    busy = {name: kit.answer(cores("resnet_50_v1_224", MIXES[name])) for name in ("1 x B4096", "3 x B1024")}
    lone = {name: kit.answer(cores("resnet_50_v1_224", MIXES[name], threads=1)) for name in busy}
    large, small = busy
    mo.vstack(
        [
            mo.md("### Exercises"),
            mo.Html(
                kit.exercise(
                    "And ResNet-50, whose layers fill the large array?",
                    f"{busy[large]['throughput_ips']:.0f} /s on one B4096, {busy[small]['throughput_ips']:.0f} /s on "
                    "three B1024: almost the same.",
                )
                + kit.exercise(
                    "A camera sends one frame at a time and wants its answer soon. Which?",
                    f"The large one: {lone[large]['latency_ms']['mean']:.1f} ms instead of "
                    f"{lone[small]['latency_ms']['mean']:.1f} ms for ResNet-50.",
                )
                + kit.exercise(
                    "Which costs less energy for an inference of ResNet-50, with eight threads and with one?",
                    f"With eight {busy[large]['energy_mj_per_inference']:.0f} and "
                    f"{busy[small]['energy_mj_per_inference']:.0f} mJ, with one "
                    f"{lone[large]['energy_mj_per_inference']:.0f} and "
                    f"{lone[small]['energy_mj_per_inference']:.0f} mJ: two of the three small cores then idle.",
                )
            ),
        ]
    )


@app.cell
def _() -> None:
    mo.Html(kit.footer(9))


if __name__ == "__main__":
    app.run()
