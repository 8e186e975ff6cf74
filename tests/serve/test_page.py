"""The page in a headless Chromium: what a visitor does, from the video to the download."""

import io
import shutil
import threading

import pytest
from PIL import Image
from skimage import data

from brushflow.serve import tasks
from brushflow.serve.app import create_app
from brushflow.serve.worker import Worker
from brushflow.tests.pipeline.test_masks import disc, lossless, transparent
from brushflow.tests.serve.conftest import NASTY
from brushflow.video import open_source

pytestmark = pytest.mark.slow

CAMERA = [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@pytest.fixture(scope="module")
def browser():
    """Chromium with a camera that shows a test picture; skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None
    )
    with playwright.sync_playwright() as started:
        try:
            browser = started.chromium.launch(executable_path=program, args=CAMERA)
        except playwright.Error as error:
            pytest.skip(f"no Chromium to start: {error.message.splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Open an address as another visitor; problems of the page fail the test."""
    contexts, problems = [], []

    def open_page(address):
        context = browser.new_context(viewport={"width": 1100, "height": 900})
        context.grant_permissions(["camera"])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(240_000)  # longer than the busiest machine takes
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(address)
        if "#/" not in address:  # nobody drops a video before the page is there
            page.locator("#limit", has_text="MB").wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def server(tmp_path, styles, options, start_server):
    address, stop = start_server(create_app(tmp_path / "jobs", styles, options, 1 << 20))
    yield address
    stop()


@pytest.fixture
def server_that_learns(tmp_path, styles, options, start_server, loss_weights, quickly):
    app = create_app(
        *(tmp_path / "jobs", styles, options, 1 << 20, "127.0.0.1"), loss_weights=str(loss_weights)
    )
    address, stop = start_server(app)
    yield address
    stop()


@pytest.fixture
def paint_more(monkeypatch):
    """Let so many more frames be painted; it begins with three."""
    allowed, watch = threading.Semaphore(3), Worker._watch

    def stepwise(self, picture):
        watch(self, picture)
        while not allowed.acquire(timeout=0.05) and not self._stop.is_set():
            pass

    monkeypatch.setattr(Worker, "_watch", stepwise)
    return allowed.release


def until(page, condition):
    """Wait for JavaScript to be true; the page's own policy forbids Playwright's way of waiting."""
    while not page.evaluate(condition):
        page.wait_for_timeout(50)


def png(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def hand_in(page, clip, name="a <i>film.mp4"):
    content = {"name": name, "mimeType": "video/mp4", "buffer": clip.read_bytes()}
    page.locator("#file").set_input_files(content)
    page.locator("#choose").wait_for()


def test_upload_choose_watch_refresh_and_see(visit, server, clip, paint_more):
    page = visit(server)
    hand_in(page, clip)
    assert page.locator("#choose .name").inner_text() == "a <i>film.mp4"
    until(page, "[...document.querySelectorAll('.style img')].every((i) => i.naturalWidth === 94)")
    assert page.locator(".style").count() == 2
    page.locator(".style").nth(1).click()  # its name is markup, which must stay a name
    page.locator("#paint").click()
    page.locator("#preview").wait_for()
    page.locator("#stage", has_text="Painting · frame").wait_for()
    seen = page.locator("#done").evaluate("(bar) => bar.value")
    page.reload()  # in the middle
    page.locator("#progress").wait_for()
    paint_more(5)
    until(page, f"document.getElementById('done').value > {seen}")
    paint_more(24)
    page.locator("#result").wait_for()
    until(page, "document.getElementById('painted').readyState >= 2")
    assert page.locator("#painted").evaluate("(v) => [v.videoWidth, v.videoHeight]") == [94, 64]
    page.locator("#play").click()
    until(page, "document.getElementById('painted').currentTime > 0.3")
    page.locator("#play").click()  # pauses
    until(
        page,
        "Math.abs(document.getElementById('painted').currentTime"
        " - document.getElementById('original').currentTime) < 0.06",
    )
    page.locator("#split").fill("20")
    clip_path = page.evaluate("getComputedStyle(document.getElementById('painted')).clipPath")
    assert clip_path == "inset(0px 0px 0px 20%)"
    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.path().stat().st_size > 1000
    # Home again: the last video is remembered.
    page.goto(f"{server}/#/")
    page.locator("#last").wait_for()
    assert "painted" in page.locator("#last-name").inner_text()
    assert page.title() != "1"
    page.locator("#last").click()
    page.locator("#result").wait_for()


def test_styles_follow_one_another(visit, server, clip, tmp_path):
    page = visit(server)
    hand_in(page, clip)
    page.locator("#timeline summary").click()
    page.locator("#add-turn").click()
    page.locator("#add-turn").click()
    page.locator("#turns li").nth(1).get_by_text("Leave out").click()
    row = page.locator("#turns li")
    assert row.count() == 1
    row.locator("input").fill("0.2")
    row.locator("select").select_option(index=1)
    # What is refused leaves all that was chosen.
    page.route("**/paint", lambda route: route.fulfill(status=409, json={"detail": "Not now."}))
    page.locator("#paint").click()
    page.get_by_text("Not now.").wait_for()
    assert row.locator("input").input_value() == "0.2"
    page.unroute("**/paint")
    with page.expect_request("**/paint") as asked:
        page.locator("#paint").click()
    assert asked.value.post_data_json["turns"] == [[0.2, NASTY]]
    page.locator("#result").wait_for()
    page.locator("#again").click()
    page.locator("#choose").wait_for()
    assert row.locator("input").input_value() == "0.2"
    assert row.locator("select").input_value() == NASTY


def test_a_part_is_painted_and_becomes_a_gif(visit, server, clip):
    page = visit(server)
    hand_in(page, clip)
    assert page.locator("#where").is_hidden()  # folded away
    page.locator("#part summary").click()
    assert page.locator("#where option").all_inner_texts() == ["everywhere"]
    assert page.locator("#outside").is_hidden()
    wrong = {"name": "wave.png", "mimeType": "image/png", "buffer": b"words"}
    page.locator("#mask").set_input_files(wrong)
    page.get_by_text("wave.png is not a").wait_for()
    page.locator("#strength").fill("80")
    mask = {"name": "a <i>mask.png", "mimeType": "image/png", "buffer": png(disc(3))}
    page.locator("#mask").set_input_files(mask)
    page.locator("#outside").wait_for()
    assert page.locator("#trouble").is_hidden()
    shown = page.locator("#where").evaluate("(list) => list.selectedOptions[0].text")
    assert shown == "where a <i>mask.png is white"
    page.locator("#outside").select_option(index=2)
    page.locator("#invert").check()
    page.locator("#form").select_option("gif")
    with page.expect_request("**/paint") as asked:
        page.locator("#paint").click()
    asked = asked.value.post_data_json
    assert asked["strength"] == 0.8  # as it was before the mask came
    names = ("mask", "mask_invert", "outside", "form")
    assert [asked[name] for name in names] == ["file", True, NASTY, "gif"]
    page.locator("#result").wait_for()
    until(page, "document.getElementById('painted').readyState >= 2")
    with page.expect_download() as download:
        page.get_by_text("Download the GIF").click()
    assert download.value.suggested_filename.endswith(".tiny.gif")
    assert download.value.path().read_bytes()[:3] == b"GIF"
    page.locator("#again").click()
    page.locator("#outside").wait_for()  # open, as something stands in it
    assert page.locator("#new-mask b").inner_text() == "Hand in another mask"
    assert page.locator("#outside").input_value() == NASTY
    assert page.locator("#form").input_value() == "gif"
    page.locator("#where").select_option("")
    assert page.locator("#outside").is_hidden()


def test_every_style_is_seen_and_taken_one_by_one(visit, server, clip):
    page = visit(server)
    hand_in(page, clip)
    page.locator("#timeline summary").click()
    page.locator("#add-turn").click()
    page.locator("#every").click()
    assert page.locator("#timeline").is_hidden()
    with page.expect_request("**/paint") as asked:
        page.locator("#paint").click()
    asked = asked.value.post_data_json
    assert (asked["style"], asked["turns"]) == ("", [])
    page.locator("#result").wait_for()
    assert page.locator("#made .chip").all_inner_texts() == ["tiny", NASTY]
    until(page, "document.getElementById('painted').readyState >= 2")
    page.locator("#made .chip").nth(1).click()
    until(page, "document.getElementById('painted').currentSrc.includes('number=1')")
    until(page, "document.getElementById('painted').readyState >= 2")
    assert "number=1" in page.locator("#download").get_attribute("href")
    page.locator("#again").click()
    page.locator("#choose").wait_for()
    assert page.locator("#every input").is_checked()


def test_what_is_transparent_stays_so(visit, server, tmp_path):
    page = visit(server)
    source = lossless(tmp_path / "sprite.mkv", transparent(4), alpha=True)
    hand_in(page, source, "sprite.mkv")
    page.locator("#part summary").click()
    page.locator("#where").select_option("alpha")
    assert page.locator("#form").input_value() == "webm"  # MP4 has no transparency
    page.locator("#paint").click()
    page.locator("#result").wait_for()
    with page.expect_download() as download:
        page.get_by_text("Download the WebM").click()
    download.value.save_as(tmp_path / "made.webm")
    assert open_source(tmp_path / "made.webm").info.has_alpha
    # A photograph has neither moments nor kinds of video.
    page.goto(f"{server}/#/")
    photograph = {"name": "cat.png", "mimeType": "image/png", "buffer": png(disc(1))}
    page.locator("#file").set_input_files(photograph)
    page.locator("#choose").wait_for()
    for absent in ("#timeline", "#form-label"):
        assert page.locator(absent).is_hidden()
    page.locator("#paint").click()
    page.locator("#result").wait_for()
    until(page, "document.getElementById('painted-still').naturalWidth === 96")


def test_an_answer_that_comes_too_late_changes_nothing(visit, server, clip):
    page = visit(server)
    hand_in(page, clip)
    shown = page.url
    late = []
    page.route("**/paint", lambda route: late.append(route))
    page.locator("#paint").click()
    while not late:
        page.wait_for_timeout(10)
    page.goto(f"{server}/#/")
    page.locator("#last").wait_for()
    with page.expect_response("**/paint") as answer:
        late[0].continue_()
    answer.value.finished()
    # What the page asks and is told after that, it has been told after the late answer.
    page.evaluate("fetch('/api/about').then((answer) => answer.json())")
    assert page.locator("#home").is_visible() and not page.locator("#progress").is_visible()
    page.goto(shown)
    page.locator("#result").wait_for()


def test_two_visitors_wait_for_each_other(visit, server, clip, gate):
    first, second = visit(server), visit(server)
    for page in (first, second):
        hand_in(page, clip)
        page.locator("#paint").click()
    second.get_by_text("One video is painted before yours").wait_for()
    # What was asked before it was cancelled is answered afterwards.
    address = f"{server}/api/videos/{first.url.rsplit('/', 1)[1]}"
    late, before = [], first.request.get(address).json()
    first.route(address, lambda route: late.append(route))
    while not late:
        first.wait_for_timeout(10)
    first.locator("#cancel").click()
    first.locator("#choose").wait_for()
    late[0].fulfill(json=before)
    first.evaluate("fetch('/api/about').then((answer) => answer.json())")
    assert first.locator("#choose").is_visible()
    gate.set()
    second.locator("#result").wait_for()
    second.on("dialog", lambda dialog: dialog.accept())
    second.locator("#result .delete").click()
    second.locator("#home").wait_for()
    assert second.locator("#last").is_hidden()


def test_what_cannot_be_is_said(visit, server, clip):
    page = visit(server)
    page.locator("#file").set_input_files(
        {"name": "<b>.mp4", "mimeType": "video/mp4", "buffer": b"no video"}
    )
    page.get_by_text("<b>.mp4 is not a video that ffmpeg can read").wait_for()
    page.locator("#file").set_input_files(
        {"name": "big.mp4", "mimeType": "video/mp4", "buffer": b"x" * ((1 << 20) + 1)}
    )
    page.get_by_text("big.mp4 is larger than 1 MB.").wait_for()
    page.goto(f"{server}/#/video/{'0' * 32}")
    page.get_by_text("There is no such video here").wait_for()
    assert page.locator("#home").is_visible()


def test_the_camera_is_painted(visit, server):
    page = visit(f"{server}/#/camera")
    until(page, "document.getElementById('live').naturalWidth === 320")
    until(page, "document.getElementById('numbers').textContent.includes('per second')")
    page.locator("#live-size").select_option("192")
    until(page, "document.getElementById('live').naturalWidth === 192")
    page.locator(".chip").nth(1).click()
    before = page.locator("#live").get_attribute("src")
    until(page, f"document.getElementById('live').src !== '{before}'")
    page.locator(".brand").click()
    page.locator("#home").wait_for()
    assert page.evaluate("document.getElementById('lens').srcObject") is None
    assert page.locator("#trouble").is_hidden()


def test_a_painting_is_dropped_learned_renamed_and_deleted(
    visit, server_that_learns, clip, monkeypatch, tmp_path
):
    """Dropped onto a video's styles, it is one of them after a while."""
    shown, learned = threading.Semaphore(2), tasks.learn

    def stepwise(*arguments, tell):
        def slowly(what, *values):
            stopping = tell(what, *values)
            while what == "progress" and not stopping and not shown.acquire(timeout=0.05):
                stopping = tell(what, *values)
            return stopping

        return learned(*arguments, tell=slowly)

    monkeypatch.setattr(tasks, "learn", stepwise)
    (tmp_path / "a <i>wave.png").write_bytes(png(data.chelsea()[:160, :200]))
    page = visit(server_that_learns)
    hand_in(page, clip)
    dropped = page.evaluate_handle(
        """(bytes) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "a <i>wave.png"));
            return transfer;
        }""",
        list((tmp_path / "a <i>wave.png").read_bytes()),
    )
    page.dispatch_event("#choose h1", "drop", {"dataTransfer": dropped})
    page.locator("#lesson-stage", has_text="step 3 of 4").wait_for()
    until(page, "document.getElementById('master').naturalWidth === 400")
    until(page, "document.getElementById('growing').naturalWidth > 0")
    page.reload()  # in the middle
    page.locator("#lesson-stage", has_text="s left").wait_for()
    # No card is pushed from under the pointer by one that comes later.
    held = []
    page.route("**/api/videos/*", lambda route: held.append(route))
    with page.expect_response("**/api/paintings/*"):
        page.goto(f"{server_that_learns}/#/")
    while not held:
        page.wait_for_timeout(10)
    assert page.locator("#last-lesson").is_hidden()
    held[0].continue_()
    page.unroute("**/api/videos/*")
    page.locator("#last-lesson", has_text="being learned").click()
    shown.release(9)
    page.locator("#use").wait_for()
    page.locator("#use").click()
    page.locator("#choose").wait_for()
    assert page.locator("#styles input:checked").input_value() == "a -i-wave"
    until(page, "[...document.querySelectorAll('.style img')].every((i) => i.naturalWidth)")
    page.locator("#strength").fill("80")
    page.once("dialog", lambda dialog: dialog.accept("Sea"))
    page.locator("#rename-style").click()
    page.locator(".style", has_text="Sea").wait_for()
    assert page.locator("#strength").input_value() == "80"
    assert page.locator("#styles input:checked").input_value() == "Sea"
    page.locator("#paint").click()
    page.locator("#result").wait_for()
    page.locator("#again").click()
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#delete-style").click()
    until(page, "document.querySelectorAll('label.style').length === 2")
    assert page.locator("#own-style").is_hidden()
    # What cannot be learned is said where it was handed in.
    wrong = {"name": "text.jpg", "mimeType": "image/jpeg", "buffer": b"words"}
    page.locator("#painting-here").set_input_files(wrong)
    page.get_by_text("text.jpg is not a readable picture").wait_for()
