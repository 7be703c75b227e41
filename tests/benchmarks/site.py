"""What the static page weighs and how quick it is, printed: ``python tests/benchmarks/site.py``.

Wall times of a headless Chromium; a shared machine is noisy, so look at the load that is printed with them. The longest
task of the page's own thread is also told in CPU time, which other programs do not lengthen. Memory is all that lies in
the page's process, some 130 MB of the browser's own program among it: right after the last network, and once the
browser has thrown away what nobody needs, which it does when it has nothing else to do.
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


def answers_ms(page: Page) -> list[float]:
    """Time from question to figures for every network of the zoo, as the page itself says it."""
    found = []
    for name in names():
        ask(page, {"models": name, "threads": 3, "host": "raspberry-pi-4"})
        found.append(float(page.inner_text("#status").rpartition("Answered in ")[2].split()[0]))
    return found


def renderer(browser: Browser) -> tuple[float, int]:
    """Memory (MB) and number of the largest renderer's process, which is the page's."""
    processes: dict[str, Any] = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    pids = [one["id"] for one in processes["processInfo"] if one["type"] == "renderer"]
    pages = {pid: int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids}
    largest = max(pids, key=lambda pid: pages[pid])
    return pages[largest] * os.sysconf("SC_PAGE_SIZE") / 1e6, largest


def memory_mb(browser: Browser) -> float:
    """Memory of the page's process."""
    return renderer(browser)[0]


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
    _, pid = renderer(browser)
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
            ms = sorted(answers_ms(page))
            print(f"first answer: {', '.join(f'{s:.1f}' for _, s in starts)} s (load {os.getloadavg()[0]:.1f})")
            print(f"an answer over {len(ms)} networks: median {median(ms):.0f} ms, worst {ms[-1]:.0f} ms")
            after_mb = memory_mb(browser)
            print(f"longest freeze then: {page.evaluate('window.longest'):.0f} ms")
            time.sleep(REST_S)
            print(f"memory right after: {after_mb:.0f} MB, after {REST_S} s at rest: {memory_mb(browser):.0f} MB")
            page.context.close()
            wall_ms, cpu_ms = longest_task_ms(browser, home)
            print(
                f"longest task of the page's thread while it starts: {wall_ms:.0f} ms, {cpu_ms:.0f} ms of them on a CPU"
            )
            browser.close()


if __name__ == "__main__":
    main()
