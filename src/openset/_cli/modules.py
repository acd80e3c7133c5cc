"""module:callable, as Python would import it from the current folder: a user's own net. It runs that module's code."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

from ..errors import AuditError

if TYPE_CHECKING:
    from torch import nn


def net_of(given: str) -> nn.Module:
    """The net that `module:name` is, or makes when called without arguments. Raises AuditError."""
    module, _, name = given.partition(":")
    if not (module and name) or module.startswith("."):
        raise AuditError(f"{given!r} is no module:callable: give both as Python would import them, such as mynets:make")
    here = os.getcwd()
    sys.path.insert(0, here)  # until the net is made: what makes it may import, too
    try:
        return _made(given, module, name)
    finally:
        if here in sys.path:
            sys.path.remove(here)


def _made(given: str, module: str, name: str) -> nn.Module:
    from torch import nn

    try:
        made = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise AuditError(
            f"{given!r} cannot be imported ({error}): give module:callable as Python would import it"
        ) from error
    except (Exception, SystemExit) as error:  # whatever a stranger's module raises
        raise AuditError(f"importing {module!r} failed with {type(error).__name__}: {error}") from error
    if not callable(made):
        raise AuditError(f"{given!r} is {type(made).__name__}, neither a net nor what makes one: name a callable")
    try:
        made = made if isinstance(made, nn.Module) else made()
    except (Exception, SystemExit) as error:
        raise AuditError(
            f"{given!r}, called without arguments, failed with {type(error).__name__}: {error}. Name a function of your "
            "own that needs none"
        ) from error
    if not isinstance(made, nn.Module):
        raise AuditError(f"{given!r} gives {type(made).__name__}, not a torch.nn.Module: name a net, or what makes one")
    return made
