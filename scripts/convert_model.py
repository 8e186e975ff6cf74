"""Command: a model file of any kind into one of ours, or into ONNX."""

from brushflow.cli.start import run

from pathlib import Path

import click
import torch

from brushflow.common.errors import UsageError
from brushflow.models import load
from brushflow.models.onnx_file import save_onnx


@click.command(context_settings={"max_content_width": 100})
@click.argument("model")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--half", is_flag=True, help="Store weights in 16 bits, which halves the file.")
def command(model: str, out: Path, half: bool) -> None:
    """Convert MODEL, a bundled style or a model file, into OUT.

    MODEL may be a .safetensors file, a .t7 file of fast-artistic-videos or fast-neural-style, or a
    .pth, .pt, .model or .pth.tar file of their PyTorch port, of PyTorch's example fast_neural_style
    or of the frame-difference program. OUT is written by its suffix: .safetensors, or .onnx, which
    is checked against PyTorch.
    """
    suffix = out.suffix.lower()
    if suffix not in (".safetensors", ".onnx"):
        raise UsageError(f"'{out}' must end in .safetensors or .onnx.")
    if half and suffix == ".onnx":
        raise UsageError("--half is for .safetensors files; an ONNX file keeps 32 bits.")
    loaded = load(model)
    if out.exists() and Path(model).exists() and out.samefile(model):
        raise UsageError(f"'{out}' is the model itself; choose another name.")
    network = loaded.network
    click.echo(
        f"{model}: {network.arch}, {network.in_channels} channels in, {network.norm} norm, "
        f"padding {network.padding_type}"
    )
    if suffix == ".safetensors":
        loaded.save(out, torch.float16 if half else torch.float32)
        click.echo(f"Wrote {out}.")
        return
    difference = save_onnx(network, out)
    click.echo(f"Wrote {out}; it differs from PyTorch by {difference:.1g} grey levels at most.")


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
