"""What to type: the second half of what an error says, which only commands know."""

from collections.abc import Mapping

import click

# All packages of OpenCV write into the same folder, and the last that is installed wins.
RESTORE_OPENCV = "pip install --force-reinstall --no-deps opencv-contrib-python"

# By ``BrushflowError.about``; ``{value}`` is what would be better.
_ADVICE = {
    "accumulate": "Processes times --accumulate must divide --batch-sizes.",
    "arch": "Leave --arch out to train on with the architecture of that file.",
    "changed": "--restart looks at it anew.",
    "cluster_package": "python -m pip install 'brushflow[cluster]' brings it.",
    "compare": "Leave one of --report and --compare out.",
    "cubemap": "--spherical equirect reads them as equirectangular.",
    "device": "--device auto finds one.",
    "devices": "Choose one with --device, or workers that are alike.",
    "diverged": "Begin anew, with another --output and a lower --learning-rate or "
    "--style-strength, perhaps from there by --init-from.",
    "encoding": "Look at --codec, --preset, --crf, --pix-fmt and --max-size.",
    "exists": "Choose another --output, or add --restart to make it again.",
    "evaluation_file": "Name another --evaluation-file.",
    "face_size": "If it does, --face-size makes what is painted smaller.",
    "fewer_jobs": "Fewer --jobs need less.",
    "flow": "Else choose another --flow.",
    "flow_weights": "Pass a file with --flow-weights.",
    "foreign": "Give it another name, or choose another --output.",
    "frame_size": "Make them smaller by --max-size.",
    "full_disk": "Make room and type the same command again.",
    "going_on": "The same command goes on from there.",
    "images": "Say where they are with --images.",
    "in_the_way": "Move it away and type the same command again.",
    "in_use": "Wait for it, or choose another --output.",
    "joining": "The same command puts them together when that is mended.",
    "loss_weights": "Give a file with --loss-weights.",
    "lpips": "--lpips network.pth,linear.pth takes files.",
    "max_size": "If it does, --max-size makes what is painted smaller.",
    "no_flow_weights": "Pass them with --flow-weights, or choose --flow dis, which needs none.",
    "no_numbers": "Choose --precision fp32, or another --style.",
    "no_scheduler": "Start one with dask scheduler, or correct --cluster.",
    "no_workers": "Start some with dask worker {value}.",
    "noise": "--temporal-weight weighs --temporal-loss noise; leave --noise-weight out.",
    "one_size": "--max-size {value} does that.",
    "opencv": f"{RESTORE_OPENCV} puts it back.",
    "other_flow": "Choose other --flow-weights or another --flow.",
    "other_run": "Repeat the earlier command to go on with it, or add --restart to start over.",
    "other_training": "Repeat that command to go on, choose another --output, or delete {value} to "
    "start over.",
    "output": "Choose another --output.",
    "painting": "brushflow train --style {value} makes one.",
    "part": "--start and --end choose a part.",
    "precision": "Choose --precision bf16 or fp32.",
    "ptlflow": f"pip install ptlflow brings it, and an OpenCV over the one needed here; then "
    f"{RESTORE_OPENCV}.",
    "recording": "Choose another --record.",
    "restarted": "The same command without --restart goes on from there.",
    "sheet": "Ask for fewer with --preview, or for smaller ones with --max-size.",
    "smaller": "--max-size {value} makes what is painted smaller.",
    "smaller_anew": "--max-size {value} makes what is painted smaller; add --restart.",
    "smaller_faces": "--face-size {value} makes what is painted smaller.",
    "smaller_faces_anew": "--face-size {value} makes what is painted smaller; add --restart.",
    "style": "--list-styles names those there are.",
    "stereo": "--stereo none takes them for one.",
    "times": "See --start and --end.",
    "too_small": "A larger --max-size gives them.",
    "torchrun": "Lower --nproc-per-node.",
    "training_memory": "--accumulate 2 computes a batch in two parts; lower --sizes.",
    "work_dir": "--work-dir names another place.",
    "videos": "Say where they are with --videos.",
}
_names: dict[str, str] = {}  # of the running command's options, by field


def know_options(command: click.Command) -> None:
    """From now on errors are those of this command, whose options ``advised`` may name."""
    parts = list(command.commands.values()) if isinstance(command, click.Group) else []
    _names.clear()
    for part in (*parts, command):
        for option in part.params:
            if isinstance(option, click.Option) and option.name:
                _names[option.name] = next(
                    (o for o in option.opts if o[:2] == "--"), option.opts[0]
                )


def advised(error: BaseException, names: Mapping[str, str] = _names) -> str:
    """What an error says, and what to type if it tells what it is about, see BrushflowError."""
    about, value = getattr(error, "about", ""), getattr(error, "value", None)
    return with_advice(str(error), about, value, names)


def with_advice(
    fact: str, about: str, value: object = None, names: Mapping[str, str] = _names
) -> str:
    """A fact, and what to type: known advice, else which option it is about."""
    advice = _ADVICE.get(about, "").format(value=value)
    if not advice and about in names:
        advice = f"See {names[about]}."
    return f"{fact} {advice}".rstrip()
