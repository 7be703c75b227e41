"""What the static page weighs and how quick it is, printed: ``python tests/benchmarks/site.py``.

Wall times of a headless Chromium; a shared machine is noisy, so look at the load that is printed with them.
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


def memory_mb(browser: Browser) -> float:
    """Memory of the largest renderer."""
    processes: dict[str, Any] = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    pids = [one["id"] for one in processes["processInfo"] if one["type"] == "renderer"]
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    return max(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


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
            print(f"longest freeze then: {page.evaluate('window.longest'):.0f} ms; memory {memory_mb(browser):.0f} MB")
            browser.close()


if __name__ == "__main__":
    main()
