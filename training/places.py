"""Where a training run writes: its model, and a folder beside it for all that is on the way."""

import os
from pathlib import Path

from brushflow.common.errors import UsageError
from brushflow.training.checkpoint import has_checkpoint
from brushflow.training.options import TrainOptions

# Names in such folders, from before the program marked them.
KNOWN = r"checkpoint\.pt|log\.jsonl|report\.html|best\.safetensors|tensorboard|\w+-\d+\.jpg"


def folder_of(model: Path) -> Path:
    """The folder of the run that writes this model."""
    return model.with_name(f"{model.name}.training")


def check_places(options: TrainOptions, folder: Path) -> None:
    """UsageError if models cannot be written, or would replace what is not of this training."""
    output = options.output
    if output.suffix.lower() != ".safetensors":
        raise UsageError(
            f"Models are .safetensors files; call the output {output.stem}.safetensors instead of "
            f"{output.name}."
        )
    if output.is_dir():
        raise UsageError(f"{output} is a folder, and a model is a file.", about="output")
    # A run writes its last checkpoint before the model.
    if os.path.lexists(output) and not has_checkpoint(folder):
        raise UsageError(
            f"{output} exists already, and there is no training of it to go on with.",
            about="output",
        )
    stems = [painting.stem.casefold() for painting in options.style]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if options.apart and twice is not None:
        raise UsageError(
            f"Two paintings to be learned apart are called {twice}, and so would their models be; "
            f"rename one."
        )
