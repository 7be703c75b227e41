"""Lesson 8: your own question."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="8 Your own question")

with app.setup:
    from typing import Any

    import marimo as mo

    from hwmodels.networks.zoo import names
    from sim import Scenario
    from sim.lab import kit

    DISPATCHES = ["bind", "round_robin", "least_loaded", "affinity"]
    ARRIVALS = {"as fast as it goes": "closed", "at random (Poisson)": "poisson", "one after the other": "singlestream"}


@app.cell(hide_code=True)
def _() -> None:
    mo.md(
        """
        # 8 · Your own question

        Every network of the zoo, six hosts, three sizes. Write your question down, **predict the number**,
        then look.

        Sizes `small` and `large` were never built: their answers are extrapolations.
        """
    )


@app.cell
def _() -> Any:
    prediction = mo.ui.number(0, 100_000, value=0, label="Your prediction (inferences/s)")
    mo.vstack([prediction])
    return (prediction,)


@app.cell
def _() -> Any:
    network = mo.ui.dropdown(sorted(names()), value="ssd_mobilenet_v2_coco_300", label="network", searchable=True)
    size = mo.ui.dropdown(["coral", "small", "large"], value="coral", label="size")
    link = mo.ui.dropdown(["usb3", "usb2", "pcie"], value="usb3", label="link")
    host = mo.ui.dropdown(kit.HOSTS, value="raspberry-pi-4", label="host")
    threads = mo.ui.slider(1, 8, value=2, label="threads", show_value=True)
    accelerators = mo.ui.slider(1, 4, value=1, label="accelerators", show_value=True)
    dispatch = mo.ui.dropdown(DISPATCHES, value="bind", label="dispatch (if several accelerators)")
    frame = mo.ui.switch(value=True, label="resize a frame")
    arrivals = mo.ui.dropdown(ARRIVALS, value="as fast as it goes", label="requests come")
    rate = mo.ui.slider(5, 500, value=50, step=5, label="requests/s (if random)", show_value=True)
    mo.hstack(
        [network, size, link, host, threads, accelerators, dispatch, frame, arrivals, rate],
        justify="start", wrap=True,
    )  # fmt: skip
    return (accelerators, arrivals, dispatch, frame, host, link, network, rate, size, threads)


@app.cell
def _(
    accelerators: Any,
    arrivals: Any,
    dispatch: Any,
    frame: Any,
    host: Any,
    link: Any,
    network: Any,
    prediction: Any,
    rate: Any,
    size: Any,
    threads: Any,
) -> Any:
    scenario = Scenario(
        models=network.value, size=size.value, link=link.value, host=host.value, threads=threads.value,
        accelerators=accelerators.value, dispatch=dispatch.value if accelerators.value > 1 else "bind",
        preprocess="resize" if frame.value else "none",
        arrivals=f"poisson:{rate.value}" if arrivals.value == "poisson" else arrivals.value,
    )  # fmt: skip
    keys = ("throughput_ips", "speedup_vs_one_thread", "latency_ms.mean", "latency_ms.p95", "energy_mj_per_inference",
            "utilisation.accelerator", "utilisation.link_out")  # fmt: skip
    found = kit.answer(scenario)["throughput_ips"]
    said = f"<p>You said {prediction.value:g} /s, it is {found:.4g} /s.</p>" if prediction.value else ""
    notes = "".join(f"<p><small>Note: {note}</small></p>" for note in kit.answer(scenario)["warnings"])
    mo.Html(kit.figures(scenario, *keys) + said + kit.headline(scenario) + notes + kit.timeline(scenario))
    return (scenario,)


@app.cell
def _(scenario: Any) -> None:
    from dataclasses import replace

    counts = sorted({1, 2, 3, 4, 6, 8, scenario.threads})
    rows = [kit.point(replace(scenario, threads=n)) for n in counts]
    rates = {"simulated": [row["throughput_ips"] for row in rows]}
    tails = {"mean": [row["latency_ms"]["mean"] for row in rows], "95 %": [row["latency_ms"]["p95"] for row in rows]}
    mo.Html(
        kit.columns(
            kit.curve("throughput (inferences/s)", "threads", counts, rates, scenario.threads),
            kit.curve("latency of a request (ms)", "threads", counts, tails, scenario.threads),
        )
        + f"<p>The same on the command line:</p><pre style='white-space:pre-wrap'>{kit.command(scenario)}</pre>"
    )


@app.cell
def _() -> None:
    mo.Html(
        kit.fact(
            "A camera recorder with many streams reached 236 detections a second with two Edge TPUs and 308 with "
            "three, its CPU 77 to 89 % busy: the host counts, too.",
            "blakeblackshear/frigate issue 7247, SSDLite MobileDet",
        )
    )


@app.cell
def _() -> None:
    slow = kit.answer(
        Scenario(models="ssd_mobilenet_v2_coco_300", threads=2, preprocess="resize", host="raspberry-pi-4")
    )
    other = kit.answer(
        Scenario(
            models="ssd_mobilenet_v2_coco_300", threads=4, accelerators=2, preprocess="resize", host="raspberry-pi-4"
        )
    )
    mo.vstack(
        [
            mo.md("### Exercises"),
            mo.Html(
                kit.exercise(
                    "A detector on a Raspberry Pi 4 must reach 30 frames a second from each of four cameras. Do two "
                    "threads on one stick do?",
                    f"They reach {slow['throughput_ips']:.0f} /s; two sticks with four threads "
                    f"{other['throughput_ips']:.0f} "
                    "/s.",
                )
            ),
        ]
    )


@app.cell
def _() -> None:
    mo.Html(kit.footer(8))


if __name__ == "__main__":
    app.run()
