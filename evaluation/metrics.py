"""All metrics by name: what is printed, what it means, and which way is better."""

from dataclasses import dataclass

from brushflow.common.wording import counted

STABILITY, FAITHFULNESS, DRIFT = "Stability", "Faithfulness", "Drift"


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    ``key``: its name in files; ``better``: "lower", "higher" or "zero"; ``meaning``: formula and
    source in one or two sentences; ``series``: the values over time that it sums up, if it is not
    their plain mean.
    """

    key: str
    group: str
    label: str
    unit: str
    better: str
    meaning: str
    series: str | None = None

    def quality(self, value: float) -> float:
        """A number that is the lower the better."""
        return {"lower": value, "higher": -value, "zero": abs(value)}[self.better]


def catalog(distances: tuple[int, ...]) -> list[Metric]:
    """The metrics of an evaluation at these frame distances, in the order of the table."""
    return [*_warp_errors(distances), *_OTHERS]


def _warp_errors(distances: tuple[int, ...]) -> list[Metric]:
    kinds = (
        (
            "e_warp",
            "E_warp",
            "Σ M·D / ΣM, where D is the squared difference between a frame and the later one "
            "warped to it along the source's motion, RGB in [0, 1], and M leaves out hidden "
            "pixels, motion boundaries and what leaves the picture (Lai et al. 2018).",
        ),
        (
            "ruder",
            "Masked error over all pixels",
            "Mean over all samples of (c·warped − c·frame)², hidden ones counted as 0; c is the "
            "reliability that stylization itself goes by (Ruder et al. 2018).",
        ),
        (
            "rerevst",
            "Root of the masked error",
            "Root of the masked error over all pixels, per pair (Wang et al. 2020, ReReVST).",
        ),
    )
    return [
        Metric(
            f"{key}_{distance}",
            STABILITY,
            f"{label}, {counted(distance, 'frame')} apart",
            "",
            "lower",
            meaning,
        )
        for key, label, meaning in kinds
        for distance in distances
    ]


_OTHERS = (
    Metric(
        "tof",
        STABILITY,
        "tOF, motion unlike the source's",
        "px",
        "lower",
        "Mean distance between the optical flow of the result and that of the source (Chu et al. "
        "2020).",
    ),
    Metric(
        "fdb",
        STABILITY,
        "Frame difference error",
        "",
        "lower",
        "Mean of ((y' − y) − (x' − x))², y the result, x the source, ' the next frame; RGB in "
        "[0, 1]. The pixel term of the frame difference-based loss; needs no flow.",
    ),
    Metric(
        "flicker",
        STABILITY,
        "Fast flicker where the source is still",
        "",
        "lower",
        "Root of the power of changes faster than about 2.7 frames per cycle in the luminance "
        "[0, 1] of still regions (spectrum over 8 frames, Hann window).",
    ),
    Metric(
        "content",
        FAITHFULNESS,
        "Content loss",
        "",
        "lower",
        "Mean squared error of VGG features of the result and the source (Johnson et al. 2016).",
    ),
    Metric(
        "style",
        FAITHFULNESS,
        "Style loss",
        "",
        "lower",
        "Sum over layers of the mean squared error of Gram matrices of VGG features of the result "
        "and the painting (Gatys et al. 2016).",
    ),
    Metric(
        "lpips",
        FAITHFULNESS,
        "LPIPS to the source",
        "",
        "lower",
        "Learnt perceptual distance, version 0.1 (Zhang et al. 2018).",
    ),
    Metric(
        "edge_ssim",
        FAITHFULNESS,
        "SSIM of edges",
        "",
        "higher",
        "Structural similarity (Wang et al. 2004) of the Sobel edges of the result and the source.",
    ),
    Metric(
        "sharpness",
        FAITHFULNESS,
        "Sharpness",
        "",
        "higher",
        "Standard deviation of the Laplacian of the luma, in [0, 1]. What is soft flickers less, "
        "so it belongs beside every error between frames.",
    ),
    *(
        Metric(
            f"drift_{key}",
            DRIFT,
            f"Drift of {label}",
            "%",
            "zero",
            f"{meaning} relative to the source's: the last second against the second one.",
            series=key,
        )
        for key, label, meaning in (
            ("luminance", "luminance", "Mean BT.709 luma"),
            ("contrast", "contrast", "Standard deviation of the luma"),
            ("color", "colour", "Root mean square distance from grey"),
        )
    ),
)


def format_value(value: float | None) -> str:
    """Three significant digits, without an exponent where that stays short; – for none."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if 1e-5 <= abs(value) < 1e6:
        digits = max(0, 2 - int(f"{value:.2e}".split("e")[1]))  # the exponent once it is rounded
        return f"{value:.{digits}f}"
    return f"{value:.2e}"
