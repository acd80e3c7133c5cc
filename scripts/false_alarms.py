"""How often does a sheet-music judge call a library page sheet music? And how much of two unseen engravers does it find?

    python scripts/false_alarms.py                                   # 20,000 pages, the shipped judge
    python scripts/false_alarms.py --engravers runs/sheet-music/corpus/engravers
    python scripts/false_alarms.py --judge other.onnx --count 2000 --workers 2 --out runs/false-alarms-other

Pages are made by openset.sheetmusic.library (never trained on), 200 a chunk, and judged as they come; only the pictures of
false alarms are kept (OUT/alarms), with one JSON of every page's probability for each chunk. Start again to go on.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import cv2
import numpy as np
from numbers_of import identity, keep

import openset
from openset.decide import lower_bound
from openset.metrics import clopper_pearson
from openset.sheetmusic import library, library_stock
from openset.sheetmusic.corpus import Corpus
from openset.sheetmusic.sample import Sample

LABEL = "sheet_music"


def upper(alarms: int, pages: int) -> float:
    """The exact one-sided 95 % upper bound (Clopper-Pearson) on the rate of false alarms."""
    return 1 - lower_bound(pages - alarms, pages, 0.05)


def judged(judge: openset.Judge, samples: Iterable[Sample], keep: list[Sample]) -> Iterator[float]:
    """P(sheet music) of every sample, in order; `keep` holds the samples since it was last emptied."""

    def rgb() -> Iterator[np.ndarray]:
        for sample in samples:
            keep.append(sample)
            yield np.repeat(sample.image[:, :, None], 3, 2)

    for decision in judge.stream(rgb(), batch=8):
        if decision.outcome == "error":
            raise SystemExit(f"the judge failed on a made page: {decision.error}")
        yield float(decision.probabilities[LABEL])


def threshold_of(judge: openset.Judge, given: float | None) -> float:
    if given is not None:
        return given
    if LABEL not in judge.info.thresholds:
        raise SystemExit("this judge has no threshold for sheet_music; calibrate it or give --threshold")
    return float(judge.info.thresholds[LABEL].value)


def do_chunk(judge_name: str, room: str, out: str, seed: int, number: int, count: int, threshold: float) -> int:
    """One worker's job: make and judge a chunk, save what raised a false alarm, write its record last."""
    cv2.setNumThreads(1)
    begun, folder = time.process_time(), Path(out)
    judge = openset.open_judge(judge_name, threads=1)
    sources: list[str] = []
    kept: list[Sample] = []

    def made() -> Iterator[Sample]:
        for source, sample in library.chunk(Path(room), seed, number, count):
            sources.append(source)
            yield sample

    p = []
    for i, value in enumerate(judged(judge, made(), kept)):
        p.append(round(value, 6))
        if value >= threshold:
            name = f"{number:04d}-{i:03d}-{kept[i].family}-{value:.4f}.png"
            cv2.imwrite(str(folder / "alarms" / name), kept[i].image)
    record = {"p": p, "family": [s.family for s in kept], "source": sources, "seconds": time.process_time() - begun}
    part = folder / f".{number:04d}.json"
    part.write_text(json.dumps(record))
    os.replace(part, folder / f"{number:04d}.json")
    return len(p)


def started(folder: Path, run: dict[str, object]) -> None:
    """Write what this run is, or refuse to go on with the results of another."""
    (folder / "alarms").mkdir(parents=True, exist_ok=True)
    about = folder / "run.json"
    if about.exists() and json.loads(about.read_text()) != run:
        raise SystemExit(f"{folder} holds another run ({about.read_text()}); give another --out or remove it")
    about.write_text(json.dumps(run))


def report(folder: Path, threshold: float, pages: int) -> dict[str, float]:
    """Prints what came out; returns the numbers that the card takes."""
    p, families, sources = [], [], []
    for path in sorted(folder.glob("[0-9]*.json")):
        record = json.loads(path.read_text())
        p += record["p"]
        families += record["family"]
        sources += [s or f"{path.stem}/{i}" for i, s in enumerate(record["source"])]
    values = np.array(p[:pages])
    families, sources = families[:pages], sources[:pages]
    alarms = int((values >= threshold).sum())
    print(f"\n{len(values)} library pages, {len(set(sources))} distinct; threshold {threshold:.4f}")
    print(f"false alarms {alarms}: {alarms / len(values):.5%}, exact 95 % upper bound {upper(alarms, len(values)):.5%}")
    print(
        "P(sheet music) at quantiles: "
        + ", ".join(f"{q:g}: {np.quantile(values, q):.4f}" for q in (0.5, 0.9, 0.99, 0.999, 0.9999, 1))
    )
    print("the 20 highest:")
    for i in np.argsort(-values)[:20]:
        print(f"  {values[i]:.4f}  {families[i]:20s} {sources[i]}")
    by: dict[str, list[float]] = defaultdict(list)
    for family, value in zip(families, values, strict=True):
        by[family].append(float(value))
    print(f"{'kind':22s}{'pages':>7s}{'alarms':>8s}{'median':>9s}{'99 %':>9s}{'max':>9s}")
    for family, own in sorted(by.items(), key=lambda item: -max(item[1])):
        v = np.array(own)
        print(
            f"{family:22s}{len(v):7d}{int((v >= threshold).sum()):8d}{np.median(v):9.4f}{np.quantile(v, 0.99):9.4f}{v.max():9.4f}"
        )
    return {
        "alarms": alarms,
        "pages": len(values),
        "distinct": len(set(sources)),
        "threshold": threshold,
        "highest": float(values.max()),
    }


def engravers(judge: openset.Judge, folder: Path, threshold: float) -> dict[str, tuple[int, int]]:
    """Recall on the pages of the unseen engravers, with exact two-sided 95 % intervals; family -> (found, pages)."""
    result = {}
    by: dict[str, list[float]] = defaultdict(list)
    corpus = Corpus.open(folder)
    for family, value in zip(corpus.family, judged(judge, corpus, []), strict=True):
        by[family].append(value)
    for family, own in sorted(by.items()):
        found = sum(value >= threshold for value in own)
        low, high = clopper_pearson(found, len(own))
        print(
            f"{family}: {found} of {len(own)} pages found at {threshold:.4f}, recall {found / len(own):.3f} "
            f"(95 % {low:.3f} to {high:.3f}); P(sheet music) median {np.median(own):.4f}, lowest {min(own):.4f}"
        )
        result[family] = (found, len(own))
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", default="sheet-music", help="judge file or shipped name")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20_000)
    parser.add_argument("--threshold", type=float, help="instead of the judge's own")
    parser.add_argument(
        "--cache", type=Path, default=Path("runs/sheet-music"), help="fetched fonts, pictures, documents"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/false-alarms"))
    parser.add_argument("--fetch", action="store_true", help="fetch texts and PDF documents into the cache first")
    parser.add_argument("--engravers", type=Path, help="a corpus of openset.sheetmusic.engravers: its recall, no pages")
    parser.add_argument("--json", type=Path, help="write the numbers for scripts/sheet_card.py here")
    given = parser.parse_args()
    if given.json and given.threshold is not None:
        parser.error("--json is for the card, whose numbers hold at the judge's own threshold: leave out --threshold")
    judge = openset.open_judge(given.judge, threads=1)
    threshold = threshold_of(judge, given.threshold)
    if given.engravers:
        keep(given.json, given.judge, engravers(judge, given.engravers, threshold))
        return 0
    if given.fetch:
        library_stock.fetch(given.cache, lambda line: print(line, flush=True))
    stock = library.stock(given.cache)
    print(
        f"{len(stock.texts)} texts, {len(stock.documents)} PDF documents, {len(stock.draws)} picture families",
        flush=True,
    )
    made_of = f"{len(stock.texts)} texts, {len(stock.documents)} documents"
    started(given.out, {"judge": identity(given.judge), "seed": given.seed, "threshold": threshold, "stock": made_of})
    jobs = [(k, min(library.CHUNK, given.count - k * library.CHUNK)) for k in range(-(-given.count // library.CHUNK))]
    left = [(k, n) for k, n in jobs if not (given.out / f"{k:04d}.json").exists()]
    done, begun = given.count - sum(n for _, n in left), time.monotonic()
    kept = done
    with ProcessPoolExecutor(given.workers, multiprocessing.get_context("spawn")) as pool:
        futures = [
            pool.submit(do_chunk, given.judge, str(given.cache), str(given.out), given.seed, k, n, threshold)
            for k, n in left
        ]
        try:
            for future in as_completed(futures):
                done += future.result()
                rest = (time.monotonic() - begun) / max(1, done - kept) * (given.count - done)
                alarms = len(list((given.out / "alarms").iterdir()))
                print(f"{done} of {given.count} pages, {alarms} false alarms, {rest / 60:.0f} min left", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    keep(given.json, given.judge, report(given.out, threshold, given.count))
    return 0


if __name__ == "__main__":
    sys.exit(main())
