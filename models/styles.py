"""The styles there are, by name: bundled ones, and those learned here, in the user's cache."""

import re
import shutil
from pathlib import Path

import platformdirs

from brushflow.common.errors import BrushflowError, UsageError

PRETRAINED = Path(__file__).parent / "pretrained"
SUFFIXES = (".safetensors", ".pth", ".pt", ".model", ".t7", ".tar")  # .tar of .pth.tar
_SUFFIX = ".safetensors"
_NAME = re.compile(r"\w(?:[\w .,+()&'-]{0,78}[\w)])?")  # which every file system takes
# Windows' names of devices, whatever follows the first dot.
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)\s*(\..*)?", re.IGNORECASE)
_PICTURES = (".jpg", ".jpeg", ".png")  # what ends so is a file where a style is named


def available() -> list[str]:
    """Names of the bundled styles, sorted."""
    return sorted(path.stem for path in PRETRAINED.glob(f"*{_SUFFIX}"))


def cache() -> Path:
    """The folder of all learned styles; each has a folder of its own there."""
    return platformdirs.user_cache_path("brushflow") / "styles"


def learned_styles() -> dict[str, Path]:
    """Their model files by their names, sorted."""
    files = (path for path in cache().glob(f"*/*{_SUFFIX}") if not path.name.startswith("."))
    return {path.stem: path for path in sorted(files, key=lambda path: path.stem.lower())}


def place_of(digest: str, wanted: str) -> Path:
    """The model in the cache's folder ``digest``, or where it is to be, called ``wanted``.

    A style that has been renamed is found, and one that is on its way keeps its name. A name that
    another style has is followed by a number; what no name may have is left out.
    """
    folder = cache() / digest
    if folder.is_dir():
        for path in sorted(folder.glob(f"*{_SUFFIX}*")):
            if not path.name.startswith("."):
                return folder / f"{path.name.partition(_SUFFIX)[0]}{_SUFFIX}"
    name = re.sub(r"[^\w .,+()&'-]+", "-", wanted)[:70].strip(" .,+()&'-") or "painting"
    if _DEVICE.fullmatch(name):
        name = f"painting-{name}"
    taken = {each.lower() for each in (*learned_styles(), *available())}
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    free = next(each for each in (name, *numbered) if each.lower() not in taken)
    return folder / f"{free}{_SUFFIX}"


def rename_style(old: str, new: str) -> Path:
    """Give a learned style another name; its model's new place.

    UsageError for a style that was not learned here, and a name that is taken or no file's.
    """
    path = _known(old)
    ending = Path(new).suffix.lower()
    if not _NAME.fullmatch(new) or _DEVICE.fullmatch(new) or ending in (*SUFFIXES, *_PICTURES):
        raise UsageError(
            f"No style can be called {new!r}; a name has up to 80 letters, digits, spaces, - and _."
        )
    taken = {each.lower() for each in (*learned_styles(), *available())} - {old.lower()}
    if new.lower() in taken:
        raise UsageError(f"There is a style called {new} already.")
    place = path.with_name(f"{new}{_SUFFIX}")
    try:
        path.rename(place)
    except OSError as error:
        raise BrushflowError(f"{path} could not be renamed: {error.strerror}.") from error
    return place


def delete_style(name: str) -> None:
    """Forget a learned style; UsageError for one that was not learned here."""
    path = _known(name)
    try:
        path.unlink()
        shutil.rmtree(path.parent)
    except OSError as error:
        raise BrushflowError(f"{path} could not be deleted: {error.strerror}.") from error


def _known(name: str) -> Path:
    if name in learned_styles():
        return learned_styles()[name]
    if name in available():
        raise UsageError(f"{name} comes with the program, and stays as it is.")
    raise UsageError(f"No style called {name!r} was learned here.", about="style")
