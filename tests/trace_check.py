"""A validator of trace-event files: nesting, monotonic time, flows closed."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

PHASES = {"M", "X", "b", "e", "s", "f", "C"}


def load(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    return json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)["traceEvents"]


def ns(microseconds: float) -> int:
    return round(microseconds * 1000)


def slices_by_track(events):
    tracks = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            start = ns(event["ts"])
            tracks[event["pid"], event["tid"]].append((start, start + ns(event["dur"]), event["name"]))
    return tracks


def track_names(events):
    return {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}


def check(events: list[dict[str, Any]]) -> None:
    """Raise AssertionError where a trace breaks a rule that viewers rely on."""
    assert {event["ph"] for event in events} <= PHASES
    named = track_names(events)
    tracks = slices_by_track(events)
    assert set(tracks) <= set(named)
    for track, slices in tracks.items():
        check_track(named[track], slices)
    check_counters(events)
    check_queue(events)
    check_flows(events, tracks)


def check_track(name, slices):
    """Starts never go back, and a slice either encloses the next one or ends before it."""
    open_until: list[int] = []
    last = 0
    for start, end, what in slices:
        assert last <= start <= end, (name, what, start)
        last = start
        while open_until and open_until[-1] <= start:
            open_until.pop()
        assert not open_until or end <= open_until[-1], (name, what, start, end, open_until)
        open_until.append(end)


def check_counters(events):
    last: dict[str, int] = defaultdict(int)
    for event in events:
        if event["ph"] == "C":
            assert ns(event["ts"]) >= last[event["name"]], event
            assert event["args"]["value"] >= 0, event
            last[event["name"]] = ns(event["ts"])


def check_queue(events):
    """Every asynchronous slice begins once and ends once, not before."""
    begun = {}
    for event in events:
        key = (event.get("cat"), event.get("id"), event.get("name"))
        if event["ph"] == "b":
            assert key not in begun
            begun[key] = ns(event["ts"])
        elif event["ph"] == "e":
            assert begun.pop(key) <= ns(event["ts"])
    assert not begun


def check_flows(events, tracks):
    """Every arrow has one foot and one head, in this order, each inside a slice of its track."""
    feet = {}
    for event in events:
        if event["ph"] not in "sf":
            continue
        at, track = ns(event["ts"]), (event["pid"], event["tid"])
        assert any(start <= at < end for start, end, _ in tracks[track]), event
        if event["ph"] == "s":
            assert event["id"] not in feet
            feet[event["id"]] = at
        else:
            assert feet.pop(event["id"]) <= at
    assert not feet
