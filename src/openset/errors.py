"""The error tree. A message says what was wrong, the value received, and what to do.

OpensetError
├── ImageError           one picture could not be read (carries `path` and `remedy`)
├── DataError            a folder or a split cannot be used
├── JudgeFileError       a judge file is broken, foreign, or of a version this release cannot read
├── CalibrationError     no threshold with the asked guarantee exists (carries `needed` where it is known)
├── TrainingError        training cannot start or go on
├── AuditError           a net or a picture cannot be audited as asked
└── MissingExtraError    a feature needs a package that is not installed; prints the exact pip command
"""

from __future__ import annotations


class OpensetError(Exception):
    """Base of every error this package raises on purpose."""


class ImageError(OpensetError):
    """One picture could not be read. `reason` says why, `remedy` what the user can do; neither names the file."""

    def __init__(self, path: str, reason: str, remedy: str) -> None:
        self.path, self.reason, self.remedy = path, reason, remedy
        super().__init__(f"{path!r}: {reason}. {remedy}")

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, str, str]]:
        return type(self), (self.path, self.reason, self.remedy)  # so that it can cross to another process


class DataError(OpensetError):
    """A folder of pictures, or a split of one, cannot be used as asked."""


class JudgeFileError(OpensetError):
    """A judge file is broken, not a judge file, or of a schema version this release cannot read."""


class CalibrationError(OpensetError):
    """No threshold with the asked guarantee exists on these pictures.

    `needed`: the number that the message gives, or None. Too few answers of the label: the fewest with which the
    target can be met, all right. Too many wrong ones: about how many would do with the same share of errors. Too few
    pictures for a prevalence: the fewest pictures of others, none of them accepted.
    """

    def __init__(self, message: str, needed: int | None = None) -> None:
        self.needed = needed
        super().__init__(message)


class TrainingError(OpensetError):
    """Training cannot start or go on."""


class AuditError(OpensetError):
    """A net or a picture cannot be audited as asked: a layer that is not piecewise affine, a value out of range."""


def install(extra: str) -> str:
    """The remedy for what an extra brings."""
    return f'Install it with:  pip install "openset[{extra}]"  (in a clone: pip install ".[{extra}]")'


class MissingExtraError(OpensetError, ImportError):
    """An optional package is missing. The message holds the exact pip command."""

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(f"{feature} needs the package {package!r}, which is not installed. {install(extra)}")
