"""What to type: the second half of what an error says, which only commands know."""

from collections.abc import Mapping

import click

from brushflow.common.errors import BrushflowError

# By ``BrushflowError.about``; ``{value}`` is what would be better.
_ADVICE = {
    "accumulate": "Processes times --accumulate must divide --batch-sizes.",
    "arch": "Leave --arch out to train on with the architecture of that file.",
    "compare": "Leave one of --report and --compare out.",
    "cubemap": "--spherical equirect reads them as equirectangular.",
    "device": "--device auto finds one.",
    "diverged": "Begin anew, with another --output and a lower --learning-rate or "
    "--style-strength, perhaps from there by --init-from.",
    "encoding": "Look at --codec, --preset, --crf, --pix-fmt and --max-size.",
    "evaluation_file": "Name another --evaluation-file.",
    "flow": "Else choose another --flow.",
    "flow_weights": "Pass a file with --flow-weights.",
    "foreign": "Give it another name, or choose another --output.",
    "frame_size": "Make them smaller by --max-size.",
    "images": "Say where they are with --images.",
    "in_use": "Wait for it, or choose another --output.",
    "loss_weights": "Give a file with --loss-weights.",
    "lpips": "--lpips network.pth,linear.pth takes files.",
    "no_flow_weights": "Pass them with --flow-weights, or choose --flow dis, which needs none.",
    "noise": "--temporal-weight weighs --temporal-loss noise; leave --noise-weight out.",
    "one_size": "--max-size {value} does that.",
    "other_flow": "Choose other --flow-weights or another --flow.",
    "other_training": "Repeat that command to go on, choose another --output, or delete {value} to "
    "start over.",
    "painting": "train_video.py --style {value} makes one.",
    "part": "--start and --end choose a part.",
    "precision": "Choose --precision bf16 or fp32.",
    "style": "--list-styles names those there are.",
    "too_small": "A larger --max-size gives them.",
    "torchrun": "Lower --nproc-per-node.",
    "training_memory": "--accumulate 2 computes a batch in two parts; lower --sizes.",
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


def advised(error: BrushflowError, names: Mapping[str, str] = _names) -> str:
    """What an error says, and what to type: known advice, else which option it is about."""
    fact, advice = str(error), _ADVICE.get(error.about, "")
    if advice:
        advice = advice.format(value=error.value)
    elif error.about in names:
        advice = f"See {names[error.about]}."
    return f"{fact} {advice}".rstrip()
