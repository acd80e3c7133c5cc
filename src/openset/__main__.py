"""Where the command begins: `openset`, and `python -m openset`."""

from __future__ import annotations

import sys


def run() -> None:
    """The command line; Ctrl-C while it is still being loaded ends it as later, without a traceback."""
    try:
        from .cli import main
    except KeyboardInterrupt:
        sys.stderr.write("error: stopped\n")
        sys.exit(130)  # as `_cli.guard.STOPPED`, which may not be loaded yet
    main()


if __name__ == "__main__":
    run()
