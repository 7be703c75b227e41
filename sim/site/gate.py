"""Who is let in to the lab: whoever has its token, from a page of its own, asking for a host that is meant."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from email.message import Message
from http.cookies import SimpleCookie
from typing import NamedTuple
from urllib.parse import parse_qs, quote, unquote

__all__ = ["LOCAL", "TOKEN", "Gate", "Refusal"]

COOKIE = "edgetpusim_lab"
TOKEN = "access_token"
LOCAL = frozenset(["127.0.0.1", "localhost", "::1"])


class Refusal(NamedTuple):
    """What whoever is not let in gets: a status, a sentence, and headers."""

    status: int
    words: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Gate:
    """Lets through who has the token: in the address (then in a cookie from there on) or in the cookie.

    Requests for another host than ``hosts`` (None: any) and from pages of another origin are refused, token or not.
    """

    def __init__(self, token: str, hosts: Collection[str] | None = LOCAL) -> None:
        self.token, self.hosts = token, hosts

    def refusal(self, target: str, headers: Message) -> Refusal | None:
        """Return why a request is not served, or None where it is.

        ``target`` is its path with the query, ``headers`` are those of the request. Whoever brings the token in the
        address is sent to the same address without it.
        """
        if self._is_foreign(headers):
            return Refusal(403, "This lab answers its own pages only.")
        if self._matches(_cookie(headers)):
            return None
        if self._matches(_query(target)):
            cookie = f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"
            return Refusal(303, "", (("Location", _own_path(target)), ("Set-Cookie", cookie)))
        return Refusal(403, "This lab opens with the address that edgetpusim lab printed.")

    def _is_foreign(self, headers: Message) -> bool:
        host, origin = headers.get("Host", ""), headers.get("Origin", "")
        return self._is_other_host(host) or bool(origin and origin.partition("://")[2] != host)

    def _is_other_host(self, host: str) -> bool:
        if self.hosts is None:
            return False
        return re.sub(r":[0-9]+$", "", host).strip("[]").lower() not in self.hosts

    def _matches(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self.token.encode())


def _own_path(target: str) -> str:
    """The path asked for, on this host whatever it begins with."""
    path = target.partition("?")[0]
    return quote("/" + unquote(path).lstrip("/\\"))


def _cookie(headers: Message) -> str:
    try:
        found = SimpleCookie(headers.get("Cookie", "")).get(COOKIE)
    except Exception:  # a header that is no cookie: its parser has several errors
        found = None
    return str(found.value) if found else ""


def _query(target: str) -> str:
    return parse_qs(target.partition("?")[2]).get(TOKEN, [""])[0]
