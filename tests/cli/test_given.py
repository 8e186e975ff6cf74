"""Options that were typed are of use for something that is painted, or refused with a sentence."""

from dataclasses import MISSING, fields

import numpy as np
import pytest

from brushflow import stylize_video, train_video
from brushflow.cli.commands import GroupedOption, option_names
from brushflow.cli.given import STREAM_USE, Given, Use, live_use, use_of
from brushflow.common.errors import UsageError
from brushflow.common.option_fields import option_of
from brushflow.pipeline import StylizeOptions
from brushflow.pipeline.options import ANYTHING, FLAT, IMAGE, IMAGES, SHEET, SPHERE, VIDEO
from brushflow.training import TrainOptions
from brushflow.video import open_source, write_image

COMMAND = stylize_video.command
OPTIONS = [option for option in COMMAND.params if isinstance(option, GroupedOption)]
USES = {
    "video": Use(frozenset({VIDEO, FLAT}), "a.mp4 is a video", "a.mp4"),
    "tour": Use(frozenset({VIDEO, SPHERE}), "b.mp4 is a video", "b.mp4"),
    "folder": Use(frozenset({IMAGES, FLAT}), "c is a set of images", "c"),
    "picture": Use(frozenset({IMAGE, FLAT}), "d.png is a picture", "d.png"),
    "sheet": Use(frozenset({VIDEO, FLAT, SHEET}), "this makes a picture", "a.mp4"),
    "camera": live_use("camera:0"),
    "stream": STREAM_USE,
}
WRITTEN = {"time": "1", "rate": "25", "side": "64", "share": "1", "stroke": "auto", "bars": "auto"}
WRITTEN |= {"odd": "7", "codec": "h264"}


def given(*arguments):
    return Given(COMMAND.make_context("paint", ["source", *arguments], resilient_parsing=True))


def typed(option):
    """The option with a value that it takes, which for many is the usual one."""
    name = next(name for name in option.opts if name.startswith("--"))
    for field in fields(StylizeOptions):
        about = option_of(field)
        if field.name == option.name and not option.is_flag:
            value = WRITTEN.get(about.written) or (about.choices or [about.least or 1])[0]
            return [name, str(value)]
    if option.is_flag:
        return [name]
    return [name, {"raw": "8x8", "style_effort": "normal"}.get(option.name, "16")]


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("option", [o for o in OPTIONS if o.expose_value], ids=lambda o: o.name)
def test_what_has_no_use_is_refused_also_with_its_usual_value(option, use):
    words = typed(option)
    if option.kinds is None or use.kinds <= set(option.kinds):
        given(*words).check([use])
        return
    with pytest.raises(UsageError, match=rf"^{words[0]} is for .*leave it out") as told:
        given(*words).check([use])
    assert use.name in str(told.value) or SHEET in use.kinds
    # What one of several sources has a use for may be given.
    fits = [other for other in USES.values() if other.kinds <= set(option.kinds)]
    assert fits
    given(*words).check([use, fits[0]])


def test_each_option_is_judged_alone():
    """None of two sources has a use for both, and yet each is of use."""
    both = given("--fps", "25", "--face-size", "64")
    both.check([USES["folder"], USES["tour"]])
    with pytest.raises(UsageError, match=r"--face-size is for spherical frames.* c are taken"):
        both.check([USES["folder"]])
    with pytest.raises(UsageError, match="--fps is for images that make a video, and for cameras"):
        both.check([USES["video"], USES["tour"]])
    given().check(list(USES.values()))


def test_fields_say_all_that_there_is_to_know():
    for options, command in ((StylizeOptions, COMMAND), (TrainOptions, train_video.command)):
        by_name = {option.name: option for option in command.params}
        for field in fields(options):
            about, option = option_of(field), by_name[field.name]
            assert about.help and about.group == option.group
            assert option.opts[0] in "/".join(option_names(field)).split("/")
            assert about.kinds is None or set(about.kinds) <= ANYTHING
            assert not about.choices or field.default in (MISSING, None, (), *about.choices)
            assert "{" not in option.help


def test_sources_are_what_they_are(tmp_path):
    frame = np.zeros((8, 16, 3), np.uint8)
    for name in ("a1.png", "a2.png"):
        write_image(tmp_path / name, frame)
    options = StylizeOptions()
    folder, picture = open_source(tmp_path), open_source(tmp_path / "a1.png")
    assert use_of(folder, options).kinds == {IMAGES, FLAT}
    assert use_of(folder, options, 3).kinds == {IMAGES, FLAT, SHEET}
    assert use_of(picture, StylizeOptions(spherical="cubemap")).kinds == {IMAGE, SPHERE}


def test_with_several_sources_it_is_as_with_one(tmp_path):
    pictures = [str(tmp_path / f"{name}.png") for name in "ab"]
    for picture in pictures:
        write_image(tmp_path / picture, np.zeros((8, 16, 3), np.uint8))
    for sources in (pictures[:1], pictures):
        for words in (["--fps", "25"], ["--face-size", "64"], ["--keep", "flow"], ["--crf", "18"]):
            with pytest.raises(UsageError, match=f"^{words[0]} is for .*leave it out"):
                COMMAND.main([*sources, *words, "-o", f"{tmp_path}/out/"], standalone_mode=False)
    assert not (tmp_path / "out").exists()
