"""What a visitor may choose for a video or a picture, and why some of it cannot be."""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from brushflow.models import learned_styles
from brushflow.serve.jobs import Choice, Job
from brushflow.serve.uploads import refusal


class OfferedStyles(Mapping[str, str]):
    """Model by the name that is shown: those it was started with, and what is learned meanwhile.

    ``learned``: the names of those that can be renamed and deleted.
    """

    def __init__(self, fixed: Mapping[str, str]) -> None:
        self._fixed = fixed

    @property
    def learned(self) -> list[str]:
        return [name for name in learned_styles() if name not in self._fixed]

    def __getitem__(self, name: str) -> str:
        return self._fixed[name] if name in self._fixed else str(learned_styles()[name])

    def __iter__(self) -> Iterator[str]:
        return iter([*self._fixed, *self.learned])

    def __len__(self) -> int:
        return len(self._fixed) + len(self.learned)


class ChoiceBody(BaseModel):
    """A Choice as the page sends it."""

    style: str
    max_size: int | None = Field(None, ge=64, le=8192)
    strength: float = Field(1.0, ge=0, le=1)
    keep_colors: bool = False
    turns: list[tuple[Annotated[float, Field(ge=0, le=86400)], str]] = Field([], max_length=16)
    mask: Literal["", "file", "alpha"] = ""
    mask_invert: bool = False
    outside: str = ""
    form: Literal["mp4", "webm", "mov", "gif", "apng", "webp"] = "mp4"


def checked(body: ChoiceBody, job: Job, styles: Collection[str]) -> Choice:
    """What was chosen, if it is possible for this job; otherwise it is answered with 400."""
    what = "picture" if job.suffix else "video"
    named = [style for style in (body.style, body.outside, *(s for _, s in body.turns)) if style]
    if any(style not in styles for style in named) or not all(style for _, style in body.turns):
        raise refusal(400, "There is no such style here.")
    if body.turns and job.suffix:
        raise refusal(400, "A picture has no moments at which its style could change.")
    if len({second for second, _ in body.turns}) < len(body.turns):
        raise refusal(400, "It cannot turn to two styles at one time.")
    if not body.style and (body.turns or body.outside):
        raise refusal(400, "All styles are painted each by itself, and with no other.")
    if body.mask == "file" and not job.mask_file:
        raise refusal(400, "Hand in a mask first.")
    if body.mask == "alpha" and not job.transparent:
        raise refusal(400, f"This {what} has no transparent parts.")
    if body.mask != "file" and (body.mask_invert or body.outside):
        raise refusal(400, "Only a mask that was handed in has another side.")
    if job.suffix and body.form != "mp4":
        raise refusal(400, "A picture does not become a video.")
    return Choice(**body.model_dump(), styles=() if body.style else tuple(styles))
