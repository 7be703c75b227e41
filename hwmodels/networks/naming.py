"""Names of networks as people write them, led back to the zoo's names.

Spelling is taken away first: case, separators, the file's extension, dates, and words that say how a file was
quantised, compiled or trained. What is left must be, word for word and in any order, what is left of one name of the
zoo. Only the resolution may be missing. One unknown word, and the name stays unknown: a wrong network is worse than
none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

__all__ = ["Alias", "Vocabulary", "pattern_of", "pieced", "plain", "spellings"]

#: Words that do not tell one network from another: quantisation, tools, training sets, and what detectors have anyway.
NOISE = frozenset(
    [
        "quant", "quantized", "quantised", "int8", "uint8", "8bit", "ptq", "qat", "post", "training", "full", "integer",
        "tflite", "tf", "tf1", "tf2", "tfhub", "hub", "keras", "etpu", "model", "coco", "coco17", "pascal", "trainaug",
        "imagenet", "postprocess", "decoder", "single", "pose", "1.0",
    ]
)  # fmt: skip
#: Words after which ``edgetpu`` is the compiler's mark, not part of the network's name.
QUANTISED = NOISE & {"quant", "quantized", "quantised", "int8", "uint8", "8bit", "ptq", "qat", "postprocess", "decoder"}
#: What stands for a word before a version: ``mnv2``, ``mv2``.
SHORT = {"mn": "mobilenet", "m": "mobilenet", "mnet": "mobilenet"}
#: Sizes of a YOLO that people spell out, after its version.
LETTERS = {"nano": "n", "tiny": "t", "small": "s", "medium": "m", "large": "l"}
#: The version that is meant where a family's name stands alone but for depth and resolution.
FIRST_VERSION = {"resnet": "v1"}
#: Resolutions that are meant where none is given and there are several, in this order.
USUAL_SIZES = ("224", "640")
SIZE = re.compile(r"\d{2,4}(x\d{2,4})?")

_EXTENSION = re.compile(r"\.(tflite|log|json)$")
_DATE = re.compile(r"_20[12]\d(_\d\d_\d\d)?(?=_|$)")
_COMPILED_WITH = re.compile(r"_cocompiled_with_.*$")
_FOREIGN = re.compile(r"[^a-z0-9._x]")


@cache
def pattern_of(text: str) -> re.Pattern[str]:
    """Return a pattern such as ``stride_<W>x<H>`` as a regular expression whose groups are numbers."""
    pieces = re.split(r"<(\w+)>", text)
    return re.compile("".join(rf"(?P<{x}>\d+)" if i % 2 else re.escape(x) for i, x in enumerate(pieces)))


@dataclass(frozen=True)
class Alias:
    """A name that no rule leads to its network: ``name`` is empty where there is none, and ``note`` says why."""

    alias: str
    name: str
    note: str

    def target(self, text: str) -> str | None:
        """Return what ``text`` stands for, numbers filled in; None where it is another name."""
        match = pattern_of(self.alias).fullmatch(text)
        return match and re.sub(r"<(\w+)>", lambda part: match[part[1]], self.name)


def plain(name: str) -> str:
    """Return a name in lower case, without extension, its words joined by ``_``."""
    return re.sub(r"[-_\s@]+", "_", _EXTENSION.sub("", name.strip().casefold())).strip("_")


def spellings(name: str) -> list[str]:
    """Return a name without what is spelling only: lower case, words joined by ``_``, no marks of tools.

    A last ``edgetpu`` may be the compiler's mark or part of the name: then there are two, with and without it. A name
    that is more than a list of words, such as a pair of networks or a remark, has none.
    """
    text = _DATE.sub("", _COMPILED_WITH.sub("", plain(name)))
    if _FOREIGN.search(text):
        return []
    words = text.split("_")
    marks = {i for i, word in enumerate(words) if word == "edgetpu" and i and words[i - 1] in QUANTISED}
    kept = [_number(word) for i, word in enumerate(words) if i not in marks and word not in NOISE]
    return ["_".join(kept), "_".join(kept[:-1])] if kept[-1:] == ["edgetpu"] else ["_".join(kept)]


def pieced(name: str) -> list[str]:
    """Return the spellings of a name of which somebody wrote words in pieces, or a size in a word; none otherwise."""
    texts = spellings(name)
    return list(dict.fromkeys(one for text in (*texts, *([plain(name)] if texts else [])) for one in _together(text)))


def _together(text: str) -> list[str]:
    """Spellings with words written as one: ``mobile_det`` and ``yolo_v8_nano`` are ``mobiledet``, ``yolov8n``.

    A number stays by itself: it is a resolution or a width. Two numbers are never one.
    """
    words = re.sub(rf"(?<=_)({'|'.join(LETTERS)})(?=_|$)", lambda match: LETTERS[match[1]], text)
    sized = words if re.match(r"yolo_?(v?\d+)", words) else text
    found = [re.sub(r"_(?![\d.]{3,}|\d+x|(?<=\d_)\d)", "", spelling) for spelling in (sized, text)]
    found += [re.sub(r"^yolo(?=\d(?!\d))", "yolov", spelling) for spelling in found]
    return [one for one in dict.fromkeys(found) if one != text]


def _number(word: str) -> str:
    """Write a width in one way: ``075`` and ``0.750`` are 0.75, ``0.50`` is 0.5."""
    if re.fullmatch(r"0\d+", word):
        word = f"0.{word[1:]}"
    return word.rstrip("0").rstrip(".") if re.fullmatch(r"0\.\d+", word) else word


class Vocabulary:
    """The words of the zoo's names, and the names by their words."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)

    def resolve(self, text: str) -> str:
        """Return the one network of the zoo that a spelling means, or an empty string."""
        words = self._words(text)
        return self._exact(words) or self._without_size(words)

    def like(self, text: str) -> list[str]:
        """Return the networks of the zoo that have every word of a spelling.

        Those come first that begin with its first word, then those with the fewest further words.
        """
        asked = self._words(text)
        rows = ((name, self._words(_own(name))) for name in self._names)
        having = ((name, words) for name, words in rows if asked and {*asked} <= {*words})
        found = sorted((words[:1] != asked[:1], len({*words} - {*asked}), name) for name, words in having)
        return [name for *_, name in found]

    def other_sizes(self, text: str) -> list[tuple[str, str, str]]:
        """Return what differs from a spelling in its resolution only.

        Each is a network of the zoo, the resolution that the spelling has, and the network's name with it.
        """
        return [
            (name, size, _with(name, old, size))
            for size, rest in _sized(self._words(text))
            for old, name in self._sizes.get(rest, {}).items()
            if old
        ]

    def _exact(self, words: list[str]) -> str:
        found = {self._sizes[rest][size] for size, rest in _sized(words) if size in self._sizes.get(rest, {})}
        return found.pop() if len(found) == 1 else ""

    def _without_size(self, words: list[str]) -> str:
        sizes = self._sizes.get(tuple(sorted(words)), {})
        usual = [size for size in USUAL_SIZES if size in sizes]
        return sizes[next(iter(sizes))] if len(sizes) == 1 else sizes[usual[0]] if usual else ""

    def _words(self, text: str) -> list[str]:
        words = [part for word in text.split("_") for part in self._parts(word) if word]
        versioned = any(re.fullmatch(r"v\d.*", word) for word in words)
        rest = tuple(sorted(word for word in words if not SIZE.fullmatch(word)))
        return words if versioned else words + [v for family, v in FIRST_VERSION.items() if rest == (family,)]

    def _parts(self, word: str) -> Iterator[str]:
        """Split a word before a version and after a known one: ``mobilenetv2``, ``resnet50``, ``efficientdetlite0``."""
        square = re.fullmatch(r"(\d+)x\1(x3)?", word)
        version = re.fullmatch(r"([a-z0-9]+?)(v\d.*)", word)
        if square:
            yield square[1]
        elif version:
            yield from self._parts(SHORT.get(version[1], version[1]))
            yield from self._split(version[2])
        else:
            yield from self._split(word)

    def _split(self, word: str) -> Iterator[str]:
        known = next((w for w in self._stems if word.startswith(w) and word != w), "")
        if known and word not in self._stems:
            yield known
            yield from self._parts(word.removeprefix(known))
        elif word not in NOISE:
            yield word

    @cached_property
    def _stems(self) -> list[str]:
        """Alphabetic beginnings of the zoo's words, of three letters or more, the longest first."""
        words = {re.sub(r"v\d.*", "", word) for name in self._names for word in _own(name).split("_")}
        stems = {match[0] for word in words if (match := re.match(r"[a-z]{3,}", word))}
        return sorted(stems, key=lambda stem: (-len(stem), stem))

    @cached_property
    def _sizes(self) -> Mapping[tuple[str, ...], dict[str, str]]:
        """Names by their words without the resolution, then by the resolution."""
        found: dict[tuple[str, ...], dict[str, str]] = {}
        for name in self._names:
            words = self._words(_own(name))
            size, rest = next(reversed(list(_sized(words))), ("", tuple(sorted(words))))
            found.setdefault(rest, {})[size] = name
        return found


def _with(name: str, old: str, new: str) -> str:
    """Put another resolution in the place of a name's own, which is the last that is written so."""
    before, _, after = name.rpartition(f"_{old}" if f"_{old}" in name else f"_{old}x{old}")
    return f"{before}_{new}{after}"


def _own(name: str) -> str:
    return spellings(name)[0]


def _sized(words: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each word that may be a resolution, and the others sorted."""
    for i, word in enumerate(words):
        if SIZE.fullmatch(word):
            yield word, tuple(sorted(words[:i] + words[i + 1 :]))
