"""A study is blind, fair, and its votes are counted as statistics books do."""

import json
import re
from itertools import count

import pytest
from click.testing import CliRunner

from brushflow.common.errors import BrushflowError, UsageError
from brushflow.evaluation.study import make_study, summarize_votes
from brushflow.scripts.study import command


@pytest.fixture
def results(tmp_path):
    content = count()
    folders = {}
    for name in ("ours", "theirs"):
        folder = tmp_path / name
        folder.mkdir()
        for clip in ("swan", "cat", "dog"):
            (folder / f"{clip}.mp4").write_bytes(b"video %d" % next(content))
        folders[name] = folder
    return folders


def study_of(folder):
    page = (folder / "index.html").read_text()
    return json.loads(re.search(r"const study = (.*);\n", page)[1])


def test_the_page_does_not_know_who_is_who(results, tmp_path):
    assert make_study(results, tmp_path / "study", ["stability", "quality"], 0.2) == 6
    page = (tmp_path / "study" / "index.html").read_text()
    assert not re.search(r"\bours\b|\btheirs\b", page)
    study = study_of(tmp_path / "study")
    key = json.loads((tmp_path / "study" / "key.json").read_text())
    assert sorted(key["methods"].values()) == ["ours", "theirs"]
    for trial in study["trials"]:
        for method, video in zip(trial["methods"], trial["videos"], strict=True):
            shown = (tmp_path / "study" / "videos" / video).read_bytes()
            assert shown == (results[key["methods"][method]] / f"{trial['clip']}.mp4").read_bytes()


def test_names_cannot_break_the_page(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "<script>alert(1)<").mkdir()
        (tmp_path / name / "x").mkdir()
        (tmp_path / name / "<!--<script>.mp4").write_bytes(name.encode())
    make_study({"a": tmp_path / "a", "b": tmp_path / "b"}, tmp_path / "s", ["quality"], 0)
    page = (tmp_path / "s" / "index.html").read_text()
    assert page.count("<script>") == page.count("</script>") == 1
    assert study_of(tmp_path / "s")["trials"][0]["clip"] == "<!--<script>"


def voted(folder, preferred, voter, alike=True):
    """An exported file: every trial once, the first of them again."""
    study = study_of(folder)
    methods = json.loads((folder / "key.json").read_text())["methods"]
    votes = []
    for trial in [*study["trials"], study["trials"][0]]:
        repeat = len(votes) == len(study["trials"])
        wanted = preferred(trial["clip"])
        if repeat and not alike:
            wanted = next(name for name in methods.values() if name != wanted)
        short = next(short for short, name in methods.items() if name == wanted)
        votes.append(
            {
                **{name: trial[name] for name in ("question", "clip")},
                "shown": trial["methods"],
                "preferred": short,
                "repeat": repeat,
            }
        )
    path = folder / f"votes-{voter}.json"
    path.write_text(json.dumps({"study": study["study"], "voter": voter, "votes": votes}))
    return path


def test_votes_are_counted_with_interval_and_significance(results, tmp_path):
    folder = tmp_path / "study"
    make_study(results, folder, ["stability"], 0.2)
    files = [voted(folder, lambda clip: "ours", f"v{i}") for i in range(4)]
    files.append(voted(folder, lambda clip: "theirs" if clip == "dog" else "ours", "v4", False))
    summary = summarize_votes(folder / "key.json", files)
    (row,) = summary.preferences
    assert (row.first, row.second, row.wins, row.votes) == ("ours", "theirs", 14, 15)
    # Wilson's interval and the two-sided binomial test, worked out by hand: 2·(1 + 15)/2^15.
    assert (row.low, row.high) == pytest.approx((0.7018, 0.9881), abs=1e-3)
    assert row.p == pytest.approx(32 / 2**15)
    assert summary.consistency == {
        **{str(file): 1.0 for file in files[:4]},
        str(files[4]): 0,
    }
    strict = summarize_votes(folder / "key.json", files, 0.5)
    assert strict.excluded == [str(files[4])] and strict.preferences[0].votes == 12


def test_nobody_votes_twice(results, tmp_path):
    make_study(results, tmp_path / "study", ["quality"], 0)
    votes = voted(tmp_path / "study", lambda clip: "ours", "v")
    again = tmp_path / "again.json"
    again.write_bytes(votes.read_bytes())
    with pytest.raises(BrushflowError, match=r"again\.json hold votes of one voter"):
        summarize_votes(tmp_path / "study" / "key.json", [votes, again])


@pytest.mark.parametrize("votes", [None, 3, {"a": 1}, "words", [None], [{"shown": [[], {}]}]])
def test_damaged_votes_are_a_sentence(votes, tmp_path):
    key, file = tmp_path / "key.json", tmp_path / "votes.json"
    key.write_text('{"methods": {"x": "ours"}}')
    file.write_text(json.dumps({"votes": votes}))
    with pytest.raises(BrushflowError, match=r"votes\.json holds something else"):
        summarize_votes(key, [file])
    key.write_text(json.dumps({"methods": votes}))
    with pytest.raises(BrushflowError, match=r"key\.json holds something else"):
        summarize_votes(key, [file])


def test_a_study_of_nothing_in_common_leaves_nothing(results, tmp_path):
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "unknown.mp4").touch()
    one = next(iter(results.items()))
    with pytest.raises(UsageError, match="video of the same name"):
        make_study(dict([one, ("others", tmp_path / "others")]), tmp_path / "s", ["quality"], 0)
    assert not (tmp_path / "s").exists()


def test_the_command_makes_and_summarizes(results, tmp_path):
    folders = [f"{name}={folder}" for name, folder in results.items()]
    made = CliRunner().invoke(command, ["make", *folders, "-o", str(tmp_path / "study")])
    assert made.exit_code == 0 and "6 trials" in made.output
    votes = voted(tmp_path / "study", lambda clip: "ours", "v")
    key = str(tmp_path / "study" / "key.json")
    shown = CliRunner().invoke(command, ["summarize", str(votes), "--key", key])
    assert "| stability | ours | theirs | 3:0 | 100.0% |" in shown.output


def test_what_cannot_be_compared_is_explained(results, tmp_path):
    with pytest.raises(UsageError, match="no video that browsers play"):
        (tmp_path / "empty").mkdir()
        make_study({"a": tmp_path / "empty"}, tmp_path / "s", ["quality"], 0)
    with pytest.raises(UsageError, match="is not empty"):
        make_study(results, tmp_path, ["quality"], 0)
    make_study(results, tmp_path / "s", ["quality"], 0)
    make_study(results, tmp_path / "t", ["quality"], 0)
    other = voted(tmp_path / "t", lambda clip: "ours", "v")
    with pytest.raises(BrushflowError, match="votes of another study"):
        summarize_votes(tmp_path / "s" / "key.json", [other])
    other.write_text("[]")
    with pytest.raises(BrushflowError, match="something else"):
        summarize_votes(tmp_path / "t" / "key.json", [other])
