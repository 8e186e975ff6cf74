"""From what a command is given to the videos and pictures it means, and where each goes."""

from collections.abc import Sequence
from pathlib import Path

from brushflow.errors import UsageError
from brushflow.models import available
from brushflow.pipeline.destination import shortened
from brushflow.video import IMAGE_SUFFIXES, VIDEO_SUFFIXES, natural_key


def default_output(place: Path, style: str, ending: str) -> Path:
    """``clip.mp4`` becomes ``clip.<style><ending>`` beside it; so do folders and patterns.

    ``style`` is a bundled one's name or the path of a model.
    """
    if not place.exists():  # a pattern
        place = place.absolute().parent
    stem = place.absolute().name if place.is_dir() else place.stem
    return place.parent / shortened(stem, f".{Path(style).stem}{ending}")


def is_video_folder(place: str) -> bool:
    """Whether this is a folder of videos; a folder of pictures is one video.

    UsageError for a folder of both.
    """
    folder = Path(place)
    if not folder.is_dir():
        return False
    videos = _videos_in(folder)
    if videos and any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.iterdir()):
        raise UsageError(
            f"The folder {place} holds videos and pictures; name the videos "
            f"({Path(place) / f'*{videos[0].suffix}'}), or the pictures by a pattern."
        )
    return bool(videos)


def find_videos(places: Sequence[str], style: str, folder: Path | None) -> list[tuple[str, Path]]:
    """Every video or picture that ``places`` stand for, each with its output.

    That lies beside it, or in ``folder``.

    A folder of videos stands for those right in it, except what earlier commands have painted
    of them in this style or a bundled one. UsageError for two with the same output.
    """
    sources: dict[str, None] = {}
    outputs: set[Path] = set()
    for place in places:
        found = [place]
        if is_video_folder(place):
            videos = _videos_in(Path(place))
            styles = (style, *available())
            outputs |= {default_output(video, s, ".mp4") for video in videos for s in styles}
            found = [str(video) for video in videos if video not in outputs]
        sources |= dict.fromkeys(found)
    work = []
    for source in sources:
        ending = ".png" if _is_picture(Path(source)) else ".mp4"
        output = default_output(Path(source), style, ending)
        work.append((source, folder / output.name if folder else output))
    first_by_output: dict[Path, str] = {}
    for source, output in work:
        other = first_by_output.setdefault(output.absolute(), source)
        if other != source:
            raise UsageError(
                f"{other} and {source} would both be painted into {output}; give them other names "
                f"or paint them one by one."
            )
    return work


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def _videos_in(folder: Path) -> list[Path]:
    found = (path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    return sorted((p for p in found if p.is_file() and p.name[0] != "."), key=natural_key)
