"""Lesson 4: the parameter cache."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="4 The parameter cache")

with app.setup:
    from typing import Any

    import marimo as mo

    from sim import Scenario
    from sim.lab import kit

    GUESSES = ["about as long as both alone", "about twice as long", "more than four times as long"]
    PAIR = "mobilenet_v1_1.0_224:1,mobilenet_v2_1.0_224:1"
    NAMES = [
        "mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224", "mobilenet_v1_0.25_128", "inception_v1_224",
        "efficientnet_edgetpu_s_224", "resnet_50_v1_224",
    ]  # fmt: skip


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        # 4 · The parameter cache

        About 8 MB of on-chip memory keep a network's parameters between inferences. They are sent **once**,
        and stay until another network's **token** takes the memory: then the whole set is forgotten and sent
        again at the next change. Compiled **together**, networks share a token; what does not fit is
        **streamed** with every inference.

        **The question: MobileNet v1 and v2 take turns on one accelerator.** How long does a pair take,
        against the sum of both alone?
        """
    )


@app.cell
def _() -> Any:
    guess = mo.ui.radio(GUESSES, label="Your prediction: the pair takes")
    mo.vstack([guess])
    return (guess,)


@app.cell
def _(guess: Any) -> None:
    asked = kit.answer(Scenario(models=PAIR))
    alone = sum(kit.answer(Scenario(models=name))["invoke_ms"]["mean"] for name in NAMES[:2])
    pair = 2e3 / asked["throughput_ips"]
    right = GUESSES[0] if pair < 1.5 * alone else GUESSES[1] if pair < 4 * alone else GUESSES[2]
    because = f"A pair takes {pair:.1f} ms, both alone {alone:.1f} ms: every turn sends four megabytes again."
    mo.Html(kit.reveal(guess.value, right, because))


@app.cell
def _() -> Any:
    first = mo.ui.dropdown(NAMES, value=NAMES[0], label="network A")
    second = mo.ui.dropdown(NAMES, value=NAMES[1], label="network B")
    copies = mo.ui.slider(1, 4, label="threads of each", show_value=True)
    together = mo.ui.switch(label="compiled together")
    batched = mo.ui.switch(label="stay with the loaded network (affinity)")
    link = mo.ui.dropdown(["usb3", "usb2", "pcie"], value="usb3", label="link")
    mo.hstack([first, second, copies, together, batched, link], justify="start", wrap=True)
    return (batched, copies, first, link, second, together)


@app.cell
def _(batched: Any, copies: Any, first: Any, link: Any, second: Any, together: Any) -> Any:
    scenario = Scenario(
        models=f"{first.value}:{copies.value},{second.value}:{copies.value}",
        cocompile=together.value, link=link.value, discipline="affinity" if batched.value else "fifo",
    )  # fmt: skip
    keys = ("throughput_ips", "latency_ms.mean", "latency_ms.p95", "time_breakdown_ms.load_parameters",
            "time_breakdown_ms.parameters")  # fmt: skip
    mo.Html(kit.figures(scenario, *keys) + kit.timeline(scenario, cold=True))
    return (scenario,)


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        **Read the picture.** Plain purple is the whole set being sent again, striped purple what is streamed.
        Compile them together: the plain purple goes after the first turn, and if both do not fit, stripes
        come instead. Affinity stays with one network as long as somebody waits for it: throughput at the
        price of the other's tail.

        ### One network that outgrows the chip

        Dense layers of N neurons. Beyond the capacity one layer after the other is streamed with **every**
        inference.
        """
    )


@app.cell
def _(scenario: Any) -> None:
    sizes = [600, 900, 1200, 1400, 1600, 1900, 2200, 2500]
    rows = [kit.answer(Scenario(models=f"fc5_n{n}_in64_out10", link=scenario.link)) for n in sizes]
    invoke = [row["invoke_ms"]["mean"] for row in rows]
    streamed = [row["time_breakdown_ms"]["parameters"] for row in rows]
    mo.Html(kit.columns(kit.curve("time (ms)", "N", sizes, {"invoke()": invoke, "streaming": streamed}, 1900)))


@app.cell
def _() -> None:
    mo.Html(
        kit.fact(
            "One run of MobileNet v1 and one of v2 in turn took 22.61 ms compiled apart and 7.36 ms compiled together.",
            "google-coral/edgetpu@eel, benchmarks/reference/cocompilation_reference_x86_64.csv, Xeon W-2135, USB 3",
        )
    )


@app.cell
def _() -> None:
    apart, joint = kit.answer(Scenario(models=PAIR)), kit.answer(Scenario(models=PAIR, cocompile=True))
    two = kit.answer(Scenario(models=PAIR, accelerators=2))
    mo.vstack(
        [
            mo.md("### Exercises"),
            mo.Html(
                kit.exercise(
                    "What does compiling v1 and v2 together bring?",
                    f"{joint['throughput_ips'] / apart['throughput_ips']:.1f} x the throughput; "
                    f"{joint['time_breakdown_ms']['parameters']:.2f} ms of streaming in an inference are left.",
                )
                + kit.exercise(
                    "And a second accelerator instead, one for each network?",
                    f"{two['throughput_ips'] / apart['throughput_ips']:.1f} x: no parameters move at all.",
                )
            ),
        ]
    )


@app.cell
def _() -> None:
    mo.Html(kit.footer(4))


if __name__ == "__main__":
    app.run()
