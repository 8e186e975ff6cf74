"""Styles that were learned here have names of their own, which can be changed."""

import pytest
from click.testing import CliRunner

from brushflow.common.errors import UsageError
from brushflow.models import (
    available,
    delete_style,
    learned_styles,
    load,
    rename_style,
    styles,
)
from brushflow.scripts.styles import command


@pytest.fixture
def learned(tmp_path, monkeypatch, tiny_model):
    """Two styles, and a third on its way."""
    monkeypatch.setattr(styles, "cache", lambda: tmp_path / "cache")
    for digest, name in (("a" * 16, "waves"), ("b" * 16, "Fuji")):
        place = styles.place_of(digest, name)
        place.parent.mkdir(parents=True)
        tiny_model.save(place)
    (tmp_path / "cache" / ("c" * 16) / "half.safetensors.training").mkdir(parents=True)
    return tmp_path / "cache"


def test_they_are_known_by_name(learned, tiny_model):
    assert list(learned_styles()) == ["Fuji", "waves"]
    assert load("waves").digest == tiny_model.digest
    with pytest.raises(UsageError, match="did you mean waves"):
        load("wave")


def test_names_are_free_and_files(learned):
    def name(digest, wanted):
        return styles.place_of(digest, wanted).name

    assert name("d", "waves") == "waves-2.safetensors"
    assert name("d", "FUJI") == "FUJI-2.safetensors"
    assert name("d", available()[0]) == f"{available()[0]}-2.safetensors"
    assert name("d", "../a:b?") == "a-b.safetensors"
    assert name("d", "///") == "painting.safetensors"
    assert name("d", "Nul.x") == "painting-Nul.x.safetensors"  # a device's on Windows
    # One that is there, or on its way, stays as it is called.
    assert name("a" * 16, "other") == "waves.safetensors"
    assert name("c" * 16, "other") == "half.safetensors"


def test_one_is_renamed_and_deleted(learned):
    assert CliRunner().invoke(command, ["rename", "waves", "Sea, at night"]).exit_code == 0
    assert list(learned_styles()) == ["Fuji", "Sea, at night"]
    assert styles.place_of("a" * 16, "waves").stem == "Sea, at night"
    rename_style("Sea, at night", "sea, at night")  # another case only
    assert "sea, at night" in CliRunner().invoke(command, []).output
    delete_style("sea, at night")
    assert list(learned_styles()) == ["Fuji"]
    assert sorted(path.name[0] for path in learned.iterdir()) == ["b", "c"]


@pytest.mark.parametrize(
    "new", ["", ".x", "a/b", "a\\b", "a.jpg", "a.safetensors", "x" * 81, "a ", "Com1"]
)
def test_what_is_no_name_is_refused(learned, new):
    with pytest.raises(UsageError, match="No style can be called"):
        rename_style("waves", new)
    assert "waves" in learned_styles()


def test_what_is_taken_or_not_there_is_refused(learned):
    for new in ("fuji", available()[0].upper()):
        with pytest.raises(UsageError, match="already"):
            rename_style("waves", new)
    with pytest.raises(UsageError, match="comes with the program"):
        delete_style(available()[0])
    with pytest.raises(UsageError, match="was learned here"):
        rename_style("no", "other")
