"""Styles over time: keyframes, and what they make of a frame.

From a keyframe on, the picture turns into what it says, in ``blend`` seconds. What it leaves out
stays as it was before.
"""

import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from brushflow.common.errors import UsageError
from brushflow.pipeline.options import StylizeOptions
from brushflow.pipeline.strokes import COARSEST, FINEST
from brushflow.pipeline.stylizer import Moment
from brushflow.shots.scan import Scan
from brushflow.video import VideoInfo

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_BLEND = Fraction(1)  # seconds; at a cut, nothing is blended unless that is said
_AT_CUT = re.compile(r"cut *(\d+)")
_AT_TIME = re.compile(r"(?:(\d+):)?(?:(\d+):)?(\d+(?:\.\d+)?)")
_AT_AND_STYLE = re.compile(rf"(?P<at>{_AT_CUT.pattern}|{_AT_TIME.pattern}):(?P<style>\D.*)")
_EASES = ("linear", "smooth")
_KNOWN = ("at", "style", "strength", "stroke", "keep-colors", "blend", "ease")


@dataclass(frozen=True)
class Keyframe:
    """How it is to be painted from a moment on.

    ``at``: seconds after the first frame, or the number of a cut, from 1, as a negative number;
    ``blend``: seconds until it is so; ``smooth``: slower at both ends (3x² − 2x³).
    """

    at: Fraction
    style: str
    strength: float
    stroke: float | None
    keep_colors: bool
    blend: Fraction = Fraction(0)
    smooth: bool = True


Moments = Callable[[int], Moment]
Kind = tuple[str, float | None]  # style and stroke: what a recurrence of its own is needed for


def keyframes_of(options: StylizeOptions) -> list[Keyframe]:
    """All keyframes in the order they were given, the first of them what other options say.

    UsageError for what is none.
    """
    first = Keyframe(
        Fraction(0), options.style, options.strength, options.stroke, options.keep_colors
    )
    keyframes = [first]
    for given in options.style_at:
        earlier = Fraction(0)
        for entry in _entries(given):
            key = _keyframe(entry, keyframes[-1], given)
            if 0 <= key.at < earlier:
                raise UsageError(
                    f"In {given}, the keyframe at {float(key.at):g} s stands behind the one at "
                    f"{float(earlier):g} s; what it leaves out would be as it is then."
                )
            earlier = max(earlier, key.at)
            keyframes.append(key)
    return keyframes


def paints(options: StylizeOptions) -> bool:
    """Whether anything is painted at any time; with strength 0 throughout, no model is needed."""
    return any(key.strength > 0 for key in keyframes_of(options))


def kinds_of(keyframes: Sequence[Keyframe]) -> list[Kind]:
    """What recurrences are needed, in the order of their first use."""
    at_once = [k for k in keyframes[1:] if k.at == 0]
    used = keyframes[1:] if at_once else keyframes
    return list(dict.fromkeys((key.style, key.stroke) for key in used))


def moments_of(options: StylizeOptions, scan: Scan, info: VideoInfo) -> Moments:
    """What the keyframes make of each frame of a source.

    UsageError for a cut that there is not, or for two keyframes at one time.
    """
    keyframes = keyframes_of(options)
    kinds = kinds_of(keyframes)
    seconds = scan.seconds(info.time_base)
    placed = sorted(
        ((_time(key, scan, seconds, info), key) for key in keyframes[1:]), key=lambda pair: pair[0]
    )
    times = [time for time, _ in placed]
    for earlier, later in pairwise(times):
        if earlier == later:
            raise UsageError(f"Two keyframes are at {float(later):g} s; leave one of them out.")

    of = partial(_moment, kinds)

    def moment(index: int) -> Moment:
        second = seconds[index]
        place = bisect_right(times, second) - 1
        if place < 0:
            return of(keyframes[0])
        begin, key = placed[place]
        now = of(key)
        length = min([key.blend, *(time - begin for time in times[place + 1 : place + 2])])
        if begin == 0 or second - begin >= length:
            return now
        share = float((second - begin) / length)
        share = share * share * (3 - 2 * share) if key.smooth else share
        return _between(moment_before(place), now, share)

    def moment_before(place: int) -> Moment:
        return of(placed[place - 1][1] if place else keyframes[0])

    return moment


def first_moment(options: StylizeOptions) -> Moment:
    """What the keyframes make of a picture, which has no other moment."""
    keyframes = keyframes_of(options)
    key = next((key for key in keyframes[1:] if key.at == 0), keyframes[0])
    return _moment(kinds_of(keyframes), key)


def _moment(kinds: Sequence[Kind], key: Keyframe) -> Moment:
    """What is seen when a keyframe has come about."""
    shares = tuple(float(kind == (key.style, key.stroke)) for kind in kinds)
    return Moment(shares, key.strength, float(key.keep_colors))


def unreached(options: StylizeOptions, scan: Scan, info: VideoInfo, last: int) -> list[str]:
    """A sentence for each keyframe that is later than frame ``last``, the last that is painted."""
    seconds = scan.seconds(info.time_base)
    times = sorted(_time(key, scan, seconds, info) for key in keyframes_of(options)[1:])
    return [
        f"The keyframe at {float(time):g} s changes nothing: the last frame of {info.path} that is "
        f"painted is at {float(seconds[last]):.6g} s."
        for time in times
        if time > seconds[last]
    ]


def _between(one: Moment, other: Moment, share: float) -> Moment:
    def mix(a: float, b: float) -> float:
        return a * (1 - share) + b * share

    shares = tuple(mix(a, b) for a, b in zip(one.shares, other.shares, strict=True))
    return Moment(
        shares, mix(one.strength, other.strength), mix(one.keep_colors, other.keep_colors)
    )


def _time(key: Keyframe, scan: Scan, seconds: Sequence[Fraction], info: VideoInfo) -> Fraction:
    if key.at >= 0:
        return key.at
    number = int(-key.at)
    if number > len(scan.cuts):
        raise UsageError(
            f"A keyframe is at cut {number}, and {info.path} has {len(scan.cuts)} of them; give "
            f"its time."
        )
    return seconds[sorted(scan.cuts)[number - 1]]


def absolute_keyframes(given: Sequence[str], absolute: Callable[[str], str]) -> tuple[str, ...]:
    """The same where another folder is the working one; ``absolute`` makes a style's name so."""
    kept = []
    for each in given:
        match = _AT_AND_STYLE.fullmatch(each)
        if is_file_of_keyframes(each):
            kept.append(str(Path(each).absolute()))
        elif match:
            kept.append(f"{match['at']}:{absolute(match['style'])}")
    return tuple(kept)


def is_file_of_keyframes(given: str) -> bool:
    """Whether what was given for ``style_at`` names a file, and is no keyframe itself."""
    return given.lower().endswith(".toml")


def _entries(given: str) -> list[dict[str, Any]]:
    """What is said, as it would be in a file."""
    if is_file_of_keyframes(given):
        try:
            content = tomllib.loads(Path(given).read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(
                f"The keyframes {given} cannot be read ({error.strerror}); check the name."
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{given} is no TOML: {error}.") from error
        entries = content.get("keyframe")
        if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
            raise UsageError(f"{given} has no keyframes; each begins with [[keyframe]].")
        for entry in entries:
            style = entry.get("style")
            if isinstance(style, str) and (Path(given).parent / style).is_file():
                entry["style"] = str(Path(given).parent / style)
        return entries
    match = _AT_AND_STYLE.fullmatch(given)
    if match is None:
        raise UsageError(
            f"{given} is no keyframe; say when and what, as in 12.5:great-wave or "
            f"cut1:great-wave, or name a .toml file of them."
        )
    return [{"at": match["at"], "style": match["style"]}]


def _keyframe(entry: dict[str, Any], before: Keyframe, given: str) -> Keyframe:
    unknown = [name for name in entry if name not in _KNOWN]
    if unknown or "at" not in entry:
        problem = f"{unknown[0]} is not known" if unknown else "at is missing"
        raise UsageError(f"In {given}, a keyframe has {', '.join(_KNOWN)}; {problem}.")
    at = _moment_of(entry["at"], given)
    blend = entry.get("blend")
    ease = entry.get("ease", "smooth")
    if ease not in _EASES:
        raise UsageError(f"In {given}, ease is {ease!r}; it is one of {', '.join(_EASES)}.")
    colors = entry.get("keep-colors", before.keep_colors)
    style = entry.get("style", before.style)
    if not isinstance(colors, bool) or not isinstance(style, str):
        raise UsageError(f"In {given}, keep-colors is true or false, and style is a name.")
    return Keyframe(
        at,
        style,
        _number(entry, "strength", given, before.strength, 0, 1),
        _stroke(entry, given, before.stroke),
        colors,
        (_BLEND if at >= 0 else Fraction(0))
        if blend is None
        else Fraction(str(_number(entry, "blend", given, 0, 0, 3600))),
        ease == "smooth",
    )


def _moment_of(at: object, given: str) -> Fraction:
    text = str(at).strip()
    cut, time = _AT_CUT.fullmatch(text), _AT_TIME.fullmatch(text)
    if cut and int(cut[1]) > 0:
        return Fraction(-int(cut[1]))
    if time is None or isinstance(at, bool):
        raise UsageError(
            f"In {given}, at is {at!r}; it is seconds, hh:mm:ss, or a cut by its number, as cut1."
        )
    first, second, last = time.groups()
    hours, minutes = (first, second) if second is not None else (None, first)
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + Fraction(last)


def _stroke(entry: dict[str, Any], given: str, before: float | None) -> float | None:
    if entry.get("stroke") == "auto":
        return None
    if "stroke" not in entry:
        return before
    return _number(entry, "stroke", given, 1, FINEST, COARSEST)


def _number(
    entry: dict[str, Any], name: str, given: str, otherwise: float, least: float, most: float
) -> float:
    value = entry.get(name, otherwise)
    if type(value) not in (int, float) or not least <= value <= most:
        raise UsageError(f"In {given}, {name} is {value!r}; it is from {least:g} to {most:g}.")
    return float(value)
