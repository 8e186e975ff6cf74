"""Datasets to measure flow estimators on, found by their folders and file names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brushflow.common.errors import UsageError
from brushflow.evaluation.truth import TrueFlow, read_mask, true_flow
from brushflow.flow import read_flo, read_kitti
from brushflow.video.sequence import list_images


@dataclass(frozen=True)
class FlowPair:
    """Two frames in files and where their true flow lies; read when asked for."""

    name: str
    frame: Path
    other: Path
    flow: Path
    occluded: Path | None = None
    invalid: Path | None = None
    visible_flow: Path | None = None

    def read(self) -> TrueFlow:
        """The true flow; BrushflowError for files that are damaged or do not fit together."""
        if self.flow.suffix == ".png":
            return self._read_kitti()
        flow = read_flo(self.flow)
        size = flow.shape[:2]
        occluded = read_mask(self.occluded, size) if self.occluded else None
        invalid = read_mask(self.invalid, size) if self.invalid else None
        return true_flow(flow, None if invalid is None else ~invalid, occluded)

    def _read_kitti(self) -> TrueFlow:
        flow, known = read_kitti(self.flow)
        occluded = None
        if self.visible_flow is not None:
            occluded = ~read_kitti(self.visible_flow)[1]
        return true_flow(flow, known, occluded)


KINDS = ("sintel", "kitti", "middlebury", "chairs")


def find_pairs(dataset: Path | str, kind: str = "auto") -> list[FlowPair]:
    """All pairs with true flow in a dataset; its kind shows in its folders and names.

    - sintel: ``final/ flow/`` and perhaps ``occlusions/ invalid/``, see ``truth``;
    - kitti: ``flow_occ/000000_10.png`` and ``image_2/000000_10.png, 000000_11.png``; pixels that
      ``flow_noc`` has too are the visible ones;
    - middlebury: ``NAME-frame10.png NAME-frame11.png NAME-flow10.flo``;
    - chairs: ``00001_img1.ppm 00001_img2.ppm 00001_flow.flo`` as FlyingChairs names them, or
      ``N-img0.png N-img1.png N-gt.flo``.

    Sintel and KITTI are found in a folder ``training`` as well, FlyingChairs in ``data``.

    Raises:
        UsageError: there is no such dataset, or frames of a pair are missing.
    """
    root = Path(dataset)
    if not root.is_dir():
        raise UsageError(f"There is no folder {root} with a flow dataset.")
    for wanted in KINDS if kind == "auto" else (kind,):
        for folder in (root, root / "training", root / "data"):
            pairs = _FINDERS[wanted](folder)
            if pairs:
                missing = [p for pair in pairs for p in (pair.frame, pair.other) if not p.exists()]
                if missing:
                    raise UsageError(f"The frame {missing[0]} is missing, but there is its flow.")
                return pairs
    raise UsageError(
        f"{root} is no flow dataset that is known here: it should hold final/ and flow/ (Sintel), "
        "flow_occ/ and image_2/ (KITTI), NAME-frame10.png and NAME-flow10.flo (Middlebury), or "
        "00001_img1.ppm and 00001_flow.flo (FlyingChairs)."
    )


def _sintel(root: Path) -> list[FlowPair]:
    pairs = []
    for flow in sorted((root / "flow").glob("*/*.flo")):
        sequence = flow.parent.name
        frames = list_images(str(root / "final" / sequence))
        stems = [frame.stem for frame in frames]
        if flow.stem not in stems:
            frame = root / "final" / sequence / flow.stem
            raise UsageError(f"The frame {frame} is missing, but there is its flow.")
        place = stems.index(flow.stem)
        masks = [root / kind / sequence / f"{flow.stem}.png" for kind in ("occlusions", "invalid")]
        there = [mask if mask.exists() else None for mask in masks]
        if place + 1 < len(frames):
            name = f"{sequence}/{flow.stem}"
            pairs.append(FlowPair(name, frames[place], frames[place + 1], flow, *there))
    return pairs


def _kitti(root: Path) -> list[FlowPair]:
    pairs = []
    for flow in sorted((root / "flow_occ").glob("*_10.png")):
        images, noc = root / "image_2", root / "flow_noc" / flow.name
        other = images / flow.name.replace("_10.png", "_11.png")
        visible = noc if noc.exists() else None
        pairs.append(FlowPair(flow.stem, images / flow.name, other, flow, visible_flow=visible))
    return pairs


def _middlebury(root: Path) -> list[FlowPair]:
    return _flat(root, "-flow10.flo", "-frame10.png", "-frame11.png")


def _chairs(root: Path) -> list[FlowPair]:
    published = _flat(root, "_flow.flo", "_img1.ppm", "_img2.ppm")
    return published or _flat(root, "-gt.flo", "-img0.png", "-img1.png")


def _flat(root: Path, flow_end: str, frame_end: str, other_end: str) -> list[FlowPair]:
    pairs = []
    for flow in sorted(root.glob(f"*{flow_end}")):
        name = flow.name.removesuffix(flow_end)
        pairs.append(FlowPair(name, root / f"{name}{frame_end}", root / f"{name}{other_end}", flow))
    return pairs


_FINDERS = {"sintel": _sintel, "kitti": _kitti, "middlebury": _middlebury, "chairs": _chairs}


def spread(pairs: Sequence[FlowPair], limit: int) -> list[FlowPair]:
    """At most ``limit`` of the pairs, evenly over all of them."""
    count = min(limit, len(pairs))
    return [pairs[i * len(pairs) // count] for i in range(count)]
