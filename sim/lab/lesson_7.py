"""Lesson 7: estimate first, simulate after."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="7 Estimate first, simulate after")

with app.setup:
    from typing import Any

    import marimo as mo

    from sim import Scenario
    from sim.lab import kit
    from sim.lab.theory import bound_ips, demands_ms, mva_ips

    GUESSES = ["the bound", "mean value analysis", "neither within 10 %"]


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        # 7 · Estimate first, simulate after

        One thread alone tells two numbers: how long an inference **holds** the accelerator (D) and how long
        it is **elsewhere** (Z). Two classics predict N threads from them:

        - the **asymptotic bound**: `X(N) <= min(N / (D + Z), 1 / D)`: either threads never wait, or the
          accelerator never rests;
        - **mean value analysis**: as if every service took a random (exponential) time:
          `X(n) = n / (Z + D (1 + Q(n-1)))`.

        **The question: which of them meets the simulator** for two threads of MobileNet v2 that resize a 4K
        frame on a Raspberry Pi 4?
        """
    )


@app.cell
def _() -> Any:
    guess = mo.ui.radio(GUESSES, label="Your prediction: the better estimate is")
    mo.vstack([guess])
    return (guess,)


@app.cell
def _(guess: Any) -> None:
    first = Scenario(models=kit.NETWORKS[0], host="raspberry-pi-4", preprocess="resize:3840x2160")
    held_1, elsewhere_1 = demands_ms(kit.answer(first))
    two = kit.answer(Scenario(models=kit.NETWORKS[0], host="raspberry-pi-4", preprocess="resize:3840x2160", threads=2))[
        "throughput_ips"
    ]
    off = [abs(f(2, held_1, elsewhere_1) / two - 1) for f in (bound_ips, mva_ips)]
    right = GUESSES[2] if min(off) > 0.1 else GUESSES[off.index(min(off))]
    because = (
        f"The simulator says {two:.0f} /s, the bound is off by {off[0]:.1%}, mean value analysis by "
        f"{off[1]:.1%}: an "
        "inference takes the same time every time, and chance that is not there costs nothing."
    )
    mo.Html(kit.reveal(guess.value, right, because))


@app.cell
def _() -> Any:
    threads = mo.ui.slider(1, 8, value=2, label="threads", show_value=True)
    network = mo.ui.dropdown(kit.NETWORKS, value=kit.NETWORKS[0], label="network")
    host = mo.ui.dropdown(kit.HOSTS, value="raspberry-pi-4", label="host")
    cores = mo.ui.slider(1, 4, value=4, label="cores", show_value=True)
    busy = mo.ui.slider(0, 2, value=0, label="other busy Python threads", show_value=True)
    other = mo.ui.switch(label="a second network takes turns")
    mo.hstack([threads, network, host, cores, busy, other], justify="start", wrap=True)
    return (busy, cores, host, network, other, threads)


@app.cell
def _(busy: Any, cores: Any, host: Any, network: Any, other: Any, threads: Any) -> Any:
    partner = "mobilenet_v1_1.0_224" if network.value != "mobilenet_v1_1.0_224" else "mobilenet_v2_1.0_224"
    scenario = Scenario(
        models=f"{network.value},{partner}" if other.value else network.value, host=host.value,
        threads=max(threads.value, 2) if other.value else threads.value, cores=cores.value,
        busy_python_threads=busy.value, preprocess="resize:3840x2160",
    )  # fmt: skip
    mo.Html(
        kit.figures(scenario, "throughput_ips", "latency_ms.mean", "utilisation.accelerator", "utilisation.gil")
        + kit.headline(scenario)
        + kit.timeline(scenario)
    )
    return (partner, scenario)


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        ### The same in one picture

        The estimates know one thread without company. Turn on what they do not know: a second network that
        evicts the first one's parameters, a busy Python thread, a single core.
        """
    )


@app.cell
def _(network: Any, partner: Any, scenario: Any) -> None:
    from dataclasses import replace

    base = replace(scenario, threads=1, busy_python_threads=0)
    names = [network.value, partner] if "," in scenario.models else [network.value]
    demands = [demands_ms(kit.point(replace(base, models=name))) for name in names]
    held, elsewhere = (sum(column) / len(demands) for column in zip(*demands, strict=True))
    counts = list(range(len(names), 9))
    rates = {
        "simulated": [kit.point(replace(scenario, threads=n))["throughput_ips"] for n in counts],
        "bound": [bound_ips(n, held, elsewhere) for n in counts],
        "mean value analysis": [mva_ips(n, held, elsewhere) for n in counts],
    }
    mo.Html(
        kit.columns(kit.curve("throughput (inferences/s)", "threads", counts, rates, scenario.threads))
        + f"<p>D = {held:.2f} ms, Z = {elsewhere:.2f} ms: the knee lies at (D + Z) / D = "
        f"{(held + elsewhere) / held:.1f} threads.</p>"
    )


@app.cell
def _() -> None:
    mo.Html(
        kit.fact(
            "MobileNet v1 and v2 alone take 2.17 and 2.29 ms on a Xeon; in turn on one accelerator "
            "they take 22.61 ms, five "
            "times the sum: an estimate that does not know the parameter cache is off by that.",
            "google-coral/pycoral v2.0.0 and edgetpu@eel, benchmarks/reference; two Xeons",
        )
    )


@app.cell
def _() -> None:
    alone = Scenario(models=kit.NETWORKS[0], preprocess="resize:3840x2160", host="raspberry-pi-4")
    held_8, elsewhere_8 = demands_ms(kit.answer(alone))
    knee = (held_8 + elsewhere_8) / held_8
    mix = kit.answer(
        Scenario(
            models="mobilenet_v2_1.0_224,mobilenet_v1_1.0_224", threads=2, preprocess=alone.preprocess, host=alone.host
        )
    )
    naive = bound_ips(2, held_8, elsewhere_8)
    mo.vstack(
        [
            mo.md("### Exercises"),
            mo.Html(
                kit.exercise(
                    "From how many threads on does the bound say that more do not help?",
                    f"From the first whole number at or above {knee:.2f}.",
                )
                + kit.exercise(
                    "How far off is the bound for two networks that take turns?",
                    f"It says at most {naive:.0f} /s, the simulator {mix['throughput_ips']:.0f} /s: "
                    f"{naive / mix['throughput_ips']:.1f} times too much.",
                )
            ),
        ]
    )


@app.cell
def _() -> None:
    mo.Html(kit.footer(7))


if __name__ == "__main__":
    app.run()
