"""The styles that the page offers: those it was started with, and those that were learned."""

from collections.abc import Iterator, Mapping

from brushflow.models import learned_styles


class Offered(Mapping[str, str]):
    """Model by the name that is shown; what is learned meanwhile is among them.

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
