"""What the static page weighs and how quick it is, printed: ``python tests/benchmarks/site.py``.

Wall times of a headless Chromium; a shared machine is noisy, so look at the load that is printed with them. The longest
task of the page's own thread is also told in CPU time, which other programs do not lengthen. Memory is the page's own,
as the browser's task manager counts it, and in brackets with the browser's program, which all its pages share: right
after the last network, and once the browser has thrown away what nobody needs, which it does when it is at rest.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
from playwright.sync_api import Browser, Page, sync_playwright
from site_page import ARGUMENTS, CHROMIUM, WAIT_MS, ask, pyodide_file, serving

from hwmodels.networks.zoo import names
from sim.site.build import build_site

STARTS = 3
REST_S = 30
#: Notes the longest time in which a timer of 10 ms did not run.
FREEZE = """
let before = performance.now(); window.longest = 0;
setInterval(() => { const now = performance.now(); window.longest = Math.max(window.longest, now - before - 10); before = now; }, 10);
"""


def opened(browser: Browser, home: str) -> tuple[Page, float]:
    """A page in an empty browser with its first answer, and the seconds that took."""
    page = browser.new_context().new_page()
    page.add_init_script(FREEZE)
    started = time.perf_counter()
    page.goto(home)
    page.wait_for_selector("body[data-answered]", timeout=WAIT_MS)
    return page, time.perf_counter() - started


def answer_ms(page: Page, name: str, threads: int) -> float:
    """Time from question to figures, as the page itself says it."""
    ask(page, {"models": name, "threads": threads, "host": "raspberry-pi-4"})
    return float(page.inner_text("#status").rpartition("Answered in ")[2].split()[0])


def answers_ms(page: Page) -> dict[str, list[float]]:
    """Times over the zoo: the first answer for a network, and the next after a slider was moved."""
    found: dict[str, list[float]] = {"a network's first answer": [], "a moved slider's answer": []}
    for name in names():
        for kind, threads in zip(found, (3, 4), strict=True):
            found[kind].append(answer_ms(page, name, threads))
    return found


def page_process(browser: Browser) -> int:
    """Number of the largest renderer's process, which is the page's."""
    processes: dict[str, Any] = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    return max((one["id"] for one in processes["processInfo"] if one["type"] == "renderer"), key=memory_mb)


def memory_mb(pid: int, kind: str = "VmRSS") -> float:
    """Memory of a process: all that it holds, or its own alone (``RssAnon``)."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{kind}:"))
    return int(line.split()[1]) * 1024 / 1e6


def memory(browser: Browser) -> str:
    """The page's memory in words."""
    pid = page_process(browser)
    return f"{memory_mb(pid, 'RssAnon'):.0f} MB ({memory_mb(pid):.0f} with the browser's program)"


def longest_task_ms(browser: Browser, home: str) -> tuple[float, float]:
    """Wall and CPU time of the longest tasks of the page's own thread, from opening to the end of the first answer."""
    session, events, ends = browser.new_browser_cdp_session(), [], []
    session.on("Tracing.dataCollected", lambda found: events.extend(found["value"]))
    session.on("Tracing.tracingComplete", lambda _: ends.append(True))
    categories = {"includedCategories": ["toplevel"], "excludedCategories": ["*"]}
    session.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": categories})
    page = browser.new_context().new_page()
    page.goto(home)
    page.wait_for_selector("body[data-finished]", timeout=WAIT_MS)
    pid = page_process(browser)
    session.send("Tracing.end")
    while not ends:
        page.wait_for_timeout(50)
    page.context.close()
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name" and e["pid"] == pid}
    tasks = [e for e in events if e["ph"] == "X" and e["pid"] == pid and names.get(e["tid"]) == "CrRendererMain"]
    return max(e["dur"] for e in tasks) / 1e3, max(e.get("tdur", 0) for e in tasks) / 1e3


def main() -> None:
    """Build, open, ask and print."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        site = build_site(Path(folder), pyodide_file())
        print(f"site: {sum(site.sizes.values()) / 1e6:.1f} MB, and as much over the wire")
        with serving(Path(folder)) as home:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            starts = [opened(browser, home) for _ in range(STARTS)]
            page = starts[-1][0]
            print(f"longest freeze while it starts: {page.evaluate('window.longest'):.0f} ms")
            page.evaluate("window.longest = 0")
            for other, _ in starts[:-1]:
                other.context.close()
            answers = answers_ms(page)
            print(f"first answer: {', '.join(f'{s:.1f}' for _, s in starts)} s (load {os.getloadavg()[0]:.1f})")
            for kind, ms in answers.items():
                print(f"{kind} over {len(ms)} networks: median {median(ms):.0f} ms, worst {max(ms):.0f} ms")
            after = memory(browser)
            print(f"longest freeze then: {page.evaluate('window.longest'):.0f} ms")
            time.sleep(REST_S)
            print(f"memory right after: {after}, after {REST_S} s at rest: {memory(browser)}")
            page.context.close()
            wall_ms, cpu_ms = longest_task_ms(browser, home)
            print(
                f"longest task of the page's thread while it starts: {wall_ms:.0f} ms, {cpu_ms:.0f} ms of them on a CPU"
            )
            browser.close()


if __name__ == "__main__":
    main()
