"""Fuzz `openset.images.load` with atheris (libFuzzer for Python), from small real files of every format.

    python scripts/fuzz_images.py --minutes 10

Whatever the bytes: a uint8 [H, W, 3] array or an ImageError. Anything else ends the run with a crash file in the corpus
folder, named on the screen; exit code 0 means that nothing was found. Part of `make check-long`. HEIF, AVIF and PDF are
decoded in processes of their own, where nothing is counted as covered; of them the fuzzer sees what comes back.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz the reading of pictures.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--corpus", type=Path, default=ROOT / "build" / "fuzz-images")
    chosen = parser.parse_args()
    try:
        import atheris
    except ImportError:
        sys.exit("Fuzzing needs the package atheris (Linux or macOS). Install it with:  pip install atheris")

    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
    with atheris.instrument_imports(include=["openset", "PIL", "pi_heif"]):
        import pi_heif  # noqa: F401
        from PIL import (  # noqa: F401  # noqa: F401
            AvifImagePlugin,
            BmpImagePlugin,
            GifImagePlugin,
            JpegImagePlugin,
            PngImagePlugin,
            TiffImagePlugin,
            WebPImagePlugin,
        )

        from openset import images
        from openset.errors import ImageError
    from picture_bombs import heifs_that_crash, nested_heif, nested_pdf
    from picture_samples import PICTURES, samples

    chosen.corpus.mkdir(parents=True, exist_ok=True)
    nested = {"heif-grid": nested_heif(6), "heif-iovl": nested_heif(6, b"iovl"), "pdf-nested": nested_pdf(6)}
    for name, data in (samples() | nested | heifs_that_crash()).items():
        (chosen.corpus / name).write_bytes(data)
    for path in PICTURES.glob("*.heic"):
        (chosen.corpus / path.name).write_bytes(path.read_bytes())
    limits = images.Limits(max_pixels=2_000_000, max_seconds=10)

    def one(data: bytes) -> None:
        hint = data[-1] * 8 or None if data else None
        try:
            array = images.load(data, size_hint=hint, limits=limits)
        except ImageError as error:
            if not (error.reason and error.remedy):
                raise RuntimeError("an ImageError that says nothing") from error
            return
        if array.dtype != "uint8" or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
            raise RuntimeError(f"not a picture: {array.dtype} {array.shape}")

    options = [f"-max_total_time={round(chosen.minutes * 60)}", "-max_len=20000", "-timeout=60", "-rss_limit_mb=4096"]
    options += [f"-artifact_prefix={chosen.corpus}/", "-print_final_stats=1", str(chosen.corpus)]
    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
