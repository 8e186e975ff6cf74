"""A blind comparison of videos by people: two at a time, which one is better?

Two-alternative forced choice, as in the user study of the frame-difference paper (Xu et al. 2021;
REFERENCE F4). The page knows methods by random names only, and shuffles order and sides for every
voter; some trials come twice, sides exchanged, to see whether a voter answers alike.
"""

import json
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from brushflow.common.atomic_files import atomic_path
from brushflow.common.errors import BrushflowError, UsageError

QUESTIONS = {
    "stability": "Which video flickers less?",
    "quality": "Which video is the better painting?",
}
PLAYABLE = {".mp4", ".webm", ".m4v"}
_TEMPLATE = Path(__file__).with_name("study_page.html")


def make_study(
    results: Mapping[str, Path], folder: Path, questions: Sequence[str], repeats: float
) -> int:
    """Write the page, its videos and ``key.json`` to ``folder``; return the number of trials.

    Args:
        results: by the method's name a folder of videos; those of one clip have one file name.
        folder: must not exist, or be empty.
        questions: of ``QUESTIONS``.
        repeats: share of the trials that come twice, 0 to 1.

    Raises:
        UsageError: nothing to compare, or the folder is in use.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty: a study is made in a folder of its own.")
    clips = {name: _videos(path) for name, path in results.items()}
    if not any(clips[one].keys() & clips[other].keys() for one, other in combinations(clips, 2)):
        raise UsageError("No two of the results have a video of the same name to compare.")
    (folder / "videos").mkdir(parents=True, exist_ok=True)
    methods = {name: secrets.token_hex(3) for name in sorted(clips)}
    files: dict[str, str] = {}
    trials = []
    for one, other in combinations(sorted(clips), 2):
        for clip in sorted(clips[one].keys() & clips[other].keys()):
            for name in (one, other):
                source = clips[name][clip]
                shown = files.setdefault(str(source), f"{secrets.token_hex(6)}{source.suffix}")
                if not (folder / "videos" / shown).exists():
                    shutil.copyfile(source, folder / "videos" / shown)
            trials += [
                {
                    "question": question,
                    "clip": clip,
                    "methods": [methods[one], methods[other]],
                    "videos": [files[str(clips[name][clip])] for name in (one, other)],
                }
                for question in questions
            ]
    study = {
        "study": secrets.token_hex(6),
        "questions": {question: QUESTIONS[question] for question in questions},
        "repeats": repeats,
        "trials": trials,
    }
    # In a script element nothing may look like markup, whatever the files are called.
    data = json.dumps(study).replace("<", "\\u003c")
    page = _TEMPLATE.read_text(encoding="utf-8").replace("/*STUDY*/null", data)
    with atomic_path(folder / "index.html") as partial:
        partial.write_text(page, encoding="utf-8")
    key = {"study": study["study"], "methods": {short: name for name, short in methods.items()}}
    with atomic_path(folder / "key.json") as partial:
        partial.write_text(json.dumps(key, indent=2), encoding="utf-8")
    return len(trials)


def _videos(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise UsageError(f"There is no folder of results {folder}.")
    found = {p.stem: p for p in sorted(folder.iterdir()) if p.suffix.lower() in PLAYABLE}
    if not found:
        raise UsageError(f"{folder} holds no video that browsers play (.mp4, .webm, .m4v).")
    return found


@dataclass(frozen=True)
class Preference:
    """How often the first method was preferred to the second, of ``votes`` votes.

    ``low`` and ``high``: 95 % confidence interval of the rate (Wilson); ``p``: probability of a
    result at least as uneven if nobody could tell them apart (two-sided binomial test).
    """

    question: str
    first: str
    second: str
    wins: int
    votes: int
    low: float
    high: float
    p: float

    @property
    def rate(self) -> float:
        return self.wins / self.votes


@dataclass(frozen=True)
class Summary:
    """Preferences by question and pair, and what was left out.

    ``consistency``: share of repeated trials answered alike, by the voter's file; ``excluded``:
    files of voters below the limit.
    """

    preferences: list[Preference]
    consistency: dict[str, float]
    excluded: list[str]


def summarize_votes(key: Path, files: Sequence[Path], least_consistency: float = 0.0) -> Summary:
    """Count the votes of exported files; BrushflowError for files of another study."""
    names = _read_json(key)
    methods = names.get("methods", {})
    if not (isinstance(methods, dict) and all(isinstance(n, str) for n in methods.values())):
        raise BrushflowError(f"{key} holds something else than the key of a study.")
    counts: dict[tuple[str, str, str], list[int]] = {}
    consistency: dict[str, float] = {}
    excluded: list[str] = []
    voters: dict[str, Path] = {}
    for file in files:
        exported = _read_json(file)
        if exported.get("study") != names.get("study"):
            raise BrushflowError(f"{file} holds votes of another study than {key}.")
        voter = exported.get("voter")
        if voter is not None and voters.setdefault(str(voter), file) is not file:
            raise BrushflowError(
                f"{voters[str(voter)]} and {file} hold votes of one voter; leave one of them out."
            )
        cast = exported.get("votes", [])
        if not isinstance(cast, list):
            raise _no_votes(file)
        votes = [_vote(vote, methods, file) for vote in cast]
        consistency[str(file)] = _consistency(votes)
        if consistency[str(file)] < least_consistency:
            excluded.append(str(file))
            continue
        for vote in votes:
            if vote["repeat"]:
                continue
            first, second = sorted(vote["shown"])
            wins = counts.setdefault((vote["question"], first, second), [0, 0])
            wins[0] += vote["preferred"] == first
            wins[1] += 1
    preferences = []
    for (question, first, second), (won, asked) in sorted(counts.items()):
        test = binomtest(won, asked)
        interval = test.proportion_ci(0.95, "wilson")
        preferences.append(
            Preference(
                question, first, second, won, asked, interval.low, interval.high, test.pvalue
            )
        )
    return Summary(preferences, consistency, excluded)


def _vote(vote: Any, methods: Mapping[str, str], file: Path) -> dict[str, Any]:
    try:
        shown = [methods[short] for short in vote["shown"]]
        preferred = methods[vote["preferred"]]
        if preferred not in shown or len(shown) != 2:
            raise KeyError(preferred)
        return {
            "question": str(vote["question"]),
            "clip": str(vote["clip"]),
            "shown": shown,
            "preferred": preferred,
            "repeat": bool(vote["repeat"]),
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise _no_votes(file) from error


def _no_votes(file: Path) -> BrushflowError:
    return BrushflowError(f"{file} holds something else than votes of this study.")


def _consistency(votes: Sequence[Mapping[str, Any]]) -> float:
    """Share of repeated trials answered as the first time; 1 if none was repeated."""
    answers: dict[tuple[str, str, str], list[str]] = {}
    for vote in votes:
        trial = (vote["question"], vote["clip"], " ".join(sorted(vote["shown"])))
        answers.setdefault(trial, []).append(vote["preferred"])
    twice = [given for given in answers.values() if len(given) > 1]
    return sum(len(set(given)) == 1 for given in twice) / len(twice) if twice else 1.0


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise BrushflowError(f"{path} is not a readable JSON file.") from error
    if not isinstance(content, dict):
        raise BrushflowError(f"{path} holds something else than a study or its votes.")
    return content
