"""Command: a page for the browser, on this computer."""

from brushflow.cli.start import run

import socket
from contextlib import ExitStack
from pathlib import Path

import click

from brushflow.cli.commands import set_up_logging
from brushflow.common.atomic_files import InUse, alone_in
from brushflow.common.errors import BrushflowError, UsageError
from brushflow.common.torch_devices import DEVICES, choose_device
from brushflow.models import DEFAULT_STYLE, available, load
from brushflow.pipeline import StylizeOptions

_PATH = click.Path(path_type=Path)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command(context_settings={"max_content_width": 100, "show_default": True})
@click.option("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 is all of them.")
@click.option("--port", default=8500, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option(
    "--folder",
    default=Path("brushflow-page"),
    type=_PATH,
    help="Where videos and paintings are kept.",
)
@click.option(
    "--max-upload", default=2048, type=click.IntRange(1), metavar="MB", help="Largest video."
)
@click.option(
    "--style", "extra", multiple=True, type=_PATH, help="A model file to offer too; repeatable."
)
@click.option(
    "--loss-weights",
    default="vgg16",
    metavar="NAME|FILE",
    help="VGG that paintings are learned by: vgg16 or vgg19, downloaded once, or a file of it.",
)
@click.option("--device", default="auto", help=DEVICES)
def command(
    host: str,
    port: int,
    folder: Path,
    max_upload: int,
    extra: tuple[Path, ...],
    loss_weights: str,
    device: str,
) -> None:
    """Open a page on which videos, or the browser's camera, can be painted.

    Only this computer can reach it, unless --host says otherwise: there are no passwords, so then
    everybody in the network can use it.
    """
    set_up_logging()
    try:
        import uvicorn

        from brushflow.serve.app import MEGABYTE, create_app
        from brushflow.serve.connections import server_config
        from brushflow.serve.lessons import FOLDER
    except ImportError as error:
        raise UsageError(
            "The page needs further packages: python -m pip install 'brushflow[serve]'"
        ) from error
    choose_device(device)
    styles = {name: name for name in (DEFAULT_STYLE, *available())}
    for path in extra:
        load(path)  # a file that is no model is better found now
        if path.stem in styles:
            raise UsageError(f"There is another style called {path.stem}; rename the file {path}.")
        styles[path.stem] = str(path.absolute())
    with ExitStack() as lock:
        try:
            lock.enter_context(alone_in(folder, rf"[0-9a-f]{{32}}|{FOLDER}"))
        except InUse as error:
            raise UsageError(f"Another server uses {folder}; choose another --folder.") from error
        except OSError as error:
            raise _cannot_open(error) from error
        listener = _listen(host, port)
        try:
            app = create_app(
                *(folder.absolute(), styles, StylizeOptions(device=device)),
                *(max_upload * MEGABYTE, host, loss_weights),
            )
        except OSError as error:
            raise _cannot_open(error) from error
        if host not in _LOOPBACK:
            click.echo("Everybody who can reach this computer can use the page.", err=True)
        click.echo(f"Open {address_to_open(host, port)} in a browser; Ctrl-C ends it.")
        uvicorn.Server(server_config(app)).run([listener])
    raise KeyboardInterrupt  # the only end it has, whether or not the server passes it on


def address_to_open(host: str, port: int) -> str:
    """What a browser on this computer finds the page by; not all that is listened at is that."""
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _cannot_open(error: OSError) -> BrushflowError:
    return BrushflowError(f"The page cannot be opened: {error.strerror or error}.")


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything is printed or painted."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise BrushflowError(
            f"Nothing can listen on {host} port {port}: {error.strerror}; --port chooses another."
        ) from error
    return listener


def main() -> None:
    """Entry point."""
    run(command)


if __name__ == "__main__":
    main()
