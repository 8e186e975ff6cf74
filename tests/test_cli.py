"""What all commands share, before any of them has begun."""

import signal
import subprocess
import sys
import textwrap


def test_ctrl_c_while_modules_are_imported_shows_no_traceback(tmp_path):
    (tmp_path / "slow.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    script = """
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        import brushflow.cli
        import slow
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGINT  # which shells show as 130
    assert done.stderr == "Interrupted.\n"
