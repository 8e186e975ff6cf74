"""The page: complete, self-contained, harmless names, and alive in a browser."""

import base64
import re
import shutil
from html.parser import HTMLParser

import av
import numpy as np
import pytest

from brushflow.evaluation import evaluate
from brushflow.evaluation.metrics import format_value
from brushflow.evaluation.summary import summary
from brushflow.report.charts import Line, axis, line_chart
from brushflow.report.evaluation_page import write_report
from brushflow.report.pictures import clip_size, heat_picture, heat_scale

NASTY = '<b>"mine"</b> & </script>'
COUNT = 12


@pytest.fixture(scope="module")
def report(drifting, make_clip, save_frames, tmp_path_factory):
    """Folder, evaluation and page of a clip, a negative of it in a folder, and itself."""
    folder = tmp_path_factory.mktemp("report")
    frames = drifting(COUNT)
    source = make_clip(folder / "clip.mp4", frames)
    negative = save_frames(folder / "negative", [255 - frame for frame in frames])
    evaluation = evaluate(
        source, {NASTY: negative, "same": source}, ceiling="same", distances=(1, 2)
    )
    page = write_report(evaluation, folder / "report")
    return folder / "report", evaluation, page.read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Collects what the page consists of, and checks that elements are closed in order."""

    EMPTY = frozenset({"meta", "input", "img", "line", "circle", "polyline", "link", "br"})

    def __init__(self):
        super().__init__()
        self.open, self.links, self.text, self.ids = [], [], [], []
        self.counts = {}

    def handle_starttag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        named = dict(attributes)
        self.links += [named[key] for key in ("src", "href") if key in named]
        self.ids += [named["id"]] if "id" in named else []
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_and_needs_nothing_beside_it(report):
    folder, evaluation, page = report
    assert sorted(path.name for path in folder.iterdir()) == [
        "metrics.csv",
        "metrics.json",
        "report.html",
    ]
    outline = Outline()
    outline.feed(page)
    assert outline.open == []
    assert len(set(outline.ids)) == len(outline.ids)
    assert outline.links and all(link.startswith("data:") for link in outline.links)
    assert not re.search(r"https?://|@import|url\(", page)
    assert outline.counts["video"] == 2 + 3
    told = summary(evaluation)
    assert outline.text.index(told) < outline.text.index("Numbers")
    assert outline.counts["svg"] >= 6
    assert outline.counts["img"] == 3 + 3 + 1  # heat, strips, legend
    rows = re.findall(r'<tr data-key="(\w+)">', page)
    assert rows == [metric.key for metric in evaluation.metrics()]
    text = "".join(outline.text)
    for video in evaluation.videos:
        assert format_value(video.means["e_warp_2"]) in text


def test_names_are_shown_as_they_are_and_do_nothing(report):
    _, _, page = report
    assert "<b>&quot;" not in page.replace("&lt;b&gt;", "")
    assert NASTY not in page and '<b>"mine"' not in page
    assert "&lt;b&gt;&quot;mine&quot;&lt;/b&gt; &amp; &lt;/script&gt;" in page
    assert page.count("</script>") == 3 + 1


def test_embedded_videos_have_every_frame(report, tmp_path):
    _, _, page = report
    clips = re.findall(r'class="clip">data:video/mp4;base64,([^<]+)<', page)
    assert len(clips) == 3
    for clip in clips:
        (tmp_path / "clip.mp4").write_bytes(base64.b64decode(clip))
        with av.open(str(tmp_path / "clip.mp4")) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            assert stream.codec_context.pix_fmt == "yuv420p"
            assert sum(1 for _ in container.decode(stream)) == COUNT


def test_without_videos_the_page_has_no_player(report, tmp_path):
    _, evaluation, _ = report
    page = write_report(evaluation, tmp_path, videos=False).read_text(encoding="utf-8")
    assert "<video" not in page and 'id="metrics"' in page


def test_clips_are_small_and_even():
    assert clip_size(1920, 1080) == (640, 360)
    assert clip_size(321, 241) == (320, 240)
    assert clip_size(17, 3) == (16, 2)


def test_heat_goes_from_dark_to_bright():
    heat = np.zeros((8, 8), np.float32)
    heat[:, 4:] = 0.2
    scale = heat_scale([heat, heat / 2])
    assert scale == pytest.approx(0.2)
    shown = heat_picture(heat, scale, np.zeros((8, 8, 3), np.uint8))
    assert shown[:, 0].max() < 5 and shown[:, 7].min() > 150


@pytest.mark.parametrize(
    "low, high, expected",
    [
        (0, 0.8, (0, 0.8, 0.2)),
        (0.3, 0.9, (0, 1.0, 0.25)),
        (0.5, 0.52, (0.5, 0.52, 0.005)),
        (-3, 5, (-4, 6, 2)),
        (0, 0, (0, 1, 0.25)),
    ],
)
def test_axes_have_round_numbers_around_the_values(low, high, expected):
    assert axis(low, high) == pytest.approx(expected)


def test_a_chart_draws_every_value_and_bridges_gaps():
    svg = line_chart("<t>", [Line("a & b", 1, [None, 1.0, None, 3.0]), Line("c", 2, [2.0])], 25)
    assert "&lt;t&gt;" in svg and "a &amp; b" in svg
    (points,) = re.findall(r'points="([^"]+)"', svg)
    assert len(points.split()) == 2
    assert svg.count("<circle") == 1


@pytest.mark.parametrize(
    "value, text",
    [(None, "–"), (0, "0"), (0.0012345, "0.00123"), (12.345, "12.3"), (123456.7, "123457"),
     (1.2e-7, "1.20e-07"), (-3.14159, "-3.14"), (0.9999, "1.00")],
)  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert format_value(value) == text


@pytest.fixture(scope="module")
def page(report):
    """The report in a headless Chromium; skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None
    )
    folder, _, _ = report
    with playwright.sync_playwright() as started:
        try:
            browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium to start: {error.message.splitlines()[0]}")
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.problems = []
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.goto((folder / "report.html").as_uri())
        page.wait_for_function(
            "[...document.querySelectorAll('video')].every((v) => v.readyState >= 2)"
        )
        yield page
        browser.close()


def times(page):
    return page.evaluate("[...document.querySelectorAll('video')].map((v) => v.currentTime)")


def test_a_browser_shows_the_table(page, report):
    _, evaluation, _ = report
    for row in page.locator("#metrics tbody tr[data-key]").all():
        key = row.get_attribute("data-key")
        expected = [format_value(video.means.get(key)) for video in evaluation.videos]
        cells = [cell.inner_text().split(" ")[0].strip() for cell in row.locator("td").all()]
        assert cells == expected
    assert NASTY in page.locator("#metrics thead").inner_text()
    assert page.problems == []


def test_the_slider_wipes(page):
    page.locator("#wipe").fill("20")
    shown = page.evaluate("getComputedStyle(document.getElementById('right')).clipPath")
    assert shown == "inset(0px 0px 0px 20%)"
    box, edge = page.locator(".wipe").bounding_box(), page.locator(".edge").bounding_box()
    assert edge["x"] + edge["width"] / 2 - box["x"] == pytest.approx(0.2 * box["width"], abs=1.5)
    # A real drag, from one fifth to four fifths.
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert float(page.locator("#wipe").input_value()) == pytest.approx(80, abs=3)
    assert page.problems == []


def test_all_videos_keep_in_step(page):
    page.locator("#forth").click()
    page.locator("#forth").click()
    page.wait_for_function("[...document.querySelectorAll('video')].every((v) => !v.seeking)")
    assert times(page) == pytest.approx([2.5 / 25] * 5, abs=1e-3)
    assert page.locator("#clock").inner_text() == "0.08 s"
    heads = page.evaluate(
        "[...document.querySelectorAll('.playhead')].map((h) => Number(h.getAttribute('x1')))"
    )
    assert len(set(heads)) == 1 and heads[0] > 58
    page.locator("#play").click()
    page.wait_for_function("document.getElementById('left').currentTime > 0.2")
    page.locator("#play").click()
    page.wait_for_function("[...document.querySelectorAll('video')].every((v) => !v.seeking)")
    assert max(times(page)) - min(times(page)) < 1e-3
    assert page.problems == []


def test_another_video_can_be_chosen(page):
    page.locator("#left-choice").select_option("2")
    page.wait_for_function(
        "document.getElementById('left').src ==="
        " document.querySelectorAll('.side-by-side video')[2].src"
    )
    assert page.problems == []
