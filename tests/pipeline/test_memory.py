"""Memory does not grow with the length of the video."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import brushflow


@pytest.mark.slow
def test_a_thousand_frames_take_the_memory_of_two_hundred(
    drifting, make_clip, tiny_model_file, tmp_path
):
    frames = drifting(100, width=128, height=96)
    there_and_back = frames + frames[::-1]
    peaks = []
    for count in (200, 1000):
        source = make_clip(tmp_path / f"{count}.mp4", there_and_back * (count // 200))
        process = subprocess.Popen(
            [
                *(sys.executable, str(Path(brushflow.__file__).parent / "stylize_video.py")),
                *(
                    str(source),
                    "--style",
                    str(tiny_model_file),
                    "--device",
                    "cpu",
                    "--quiet",
                    "--preset",
                    "ultrafast",
                ),
                *("-o", str(tmp_path / f"{count}.out.mp4")),
            ]
        )
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0
        peaks.append(usage.ru_maxrss)
    assert peaks[1] < 1.05 * peaks[0], peaks
