"""The demo shows all it promises, and a second call finds it done."""

from brushflow.scripts import demo, make_demo_clip
from brushflow.video import probe, read_image


def test_a_clip_its_painting_and_what_is_shown_of_it(exit_code_of, monkeypatch, capsys, tmp_path):
    for name, value in (("SHOT_FRAMES", 2), ("WIDTH", 96), ("HEIGHT", 54)):
        monkeypatch.setattr(make_demo_clip, name, value)
    monkeypatch.chdir(tmp_path)

    def run():
        code = exit_code_of(demo)
        out, err = capsys.readouterr()
        assert code == 0, err
        return out

    assert "painted.mp4, side-by-side.mp4, contact-sheet.png" in run()
    folder = tmp_path / "brushflow-demo"
    assert {path.name for path in folder.iterdir()} == {
        *("clip.mp4", "painted.mp4", "side-by-side.mp4", "contact-sheet.png")
    }
    assert probe(folder / "painted.mp4").width == 96
    assert probe(folder / "side-by-side.mp4").width == 192
    assert read_image(folder / "contact-sheet.png").ndim == 3
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    run()
    assert times == {path: path.stat().st_mtime_ns for path in folder.iterdir()}
