"""The certified guard on MNIST and Fashion-MNIST: what it costs, what it proves, and what its out-pictures buy.

    openset reproduce table1 --dataset fashion-mnist --schemes plain --data runs/datasets    # trains the net: used again here
    python benchmarks/certified_guard.py fashion-mnist --data runs/datasets                  # one guard for each mix of --mixes
    python benchmarks/certified_guard.py fashion-mnist --data runs/datasets --attacked 0     # without the attacks
    python benchmarks/certified_guard.py fashion-mnist --data runs/datasets --semi-joint 2000   # and the net tuned under each guard

The net is the paper's LeNet, plain. The guard learns from a mix of out-pictures: the paper's noise; crops of three photographs;
letters A to Z of matplotlib's fonts, turned, thickened, thinned; scribbles (random curves with round pens); with "album" in the
mix crops of the photographs in --album DIR (`make sheet-music` fetches some out of Debian's packages: runs/sheet-music/assets/photo).
"noise+album:letters+scribbles" makes a guard of two members, of which each learns one side (`fit_certified_guards`), --pictures and --steps
for each. No picture of the other data set teaches it, and no digit. Measured: classes changed, mean max confidence inside, AUROC of the guarded confidence against
the other data set, noise, and crops of two photographs never seen: as they are, and with every out-picture's confidence
replaced by its certificate (the proved highest in an l_inf ball). Attacks: every family of `openset.attack.worst` on pictures of each
set at each eps, in float64; a try is one family on one picture. Every guard is one JSON file in RUNS, made once. Semi-joint: a copy of the net goes
on learning under the guard, which stays as it is, from the same out-pictures (`openset.heads.fit_semi_jointly`); measured as the
separate net is, without attacks, in a file of its own.
"""

from __future__ import annotations

import argparse
import copy
import functools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from openset._words import markdown
from openset.attack import worst
from openset.heads import CertifiedGuard, fit_certified_guard, fit_certified_guards, fit_semi_jointly
from openset.metrics import auroc, auroc_interval
from openset.reproduce.datasets import as_inputs, read
from openset.reproduce.material import photograph_files, seeded
from openset.reproduce.trained import SCHEDULES, trained
from openset.runfile import write_atomic
from outside import OTHER, SIDE, TAUGHT, album_files, noises, photographs, teachers
from telling import show, teller

EPS, SEEN = (0.01, 0.05, 0.1), 2000
MIXES = ("noise", "noise+photographs", "noise+photographs+letters", "noise+photographs+letters+scribbles")


class Guarded(nn.Module):
    """Pixels -> the guarded logits."""

    def __init__(self, net: nn.Module, guard: CertifiedGuard) -> None:
        super().__init__()
        self.net, self.guard = net, guard

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.guard({"pixels": x, "logits": self.net(x)})
        return out


def sure(net: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([net(part).softmax(1) for part in x.split(500)])


def measured(net: nn.Module, guard: CertifiedGuard, dataset: str, data: Path, attacked: int) -> dict[str, Any]:
    x, y = read(dataset, "test", data)
    inside, other = (
        as_inputs(x, (1, SIDE, SIDE)),
        as_inputs(read(OTHER[dataset], "test", data)[0][:SEEN], (1, SIDE, SIDE)),
    )
    outside = {
        f"{OTHER[dataset]}, never seen": other,
        "noise": noises(inside, SEEN, seeded("guard", "test")),
        "photographs, others": photographs(SEEN, photograph_files()[TAUGHT:], np.random.default_rng(7)),
    }
    guarded = Guarded(net, guard)
    exact = copy.deepcopy(guarded).double()  # what is certified is the guard itself, not its rounding in float32
    plain, p = sure(net, inside), sure(guarded, inside)
    told: dict[str, Any] = {
        "error": 100 * float((plain.argmax(1).numpy() != y).mean()),
        "changed": int((plain.argmax(1) != p.argmax(1)).sum()),
        "mmc": [float(plain.amax(1).mean()), float(p.amax(1).mean())],
        "sets": {},
        "tries": 0,
        "broken": 0,
    }
    conf = p.amax(1).double().numpy()
    for name, z in outside.items():
        q = sure(guarded, z).amax(1).double().numpy()
        row: dict[str, Any] = {
            "plain": auroc(plain.amax(1).double().numpy(), sure(net, z).amax(1).double().numpy()),
            "guarded": auroc(conf, q),
            "mmc": float(q.mean()),
        }
        for eps in EPS:
            bound = np.concatenate([guard.certify(part, eps, 10) for part in z.split(500)])
            row[str(eps)] = [auroc(conf, bound), *auroc_interval(conf, bound)]
            if attacked:
                few = z[:attacked].double()
                found = worst(
                    exact,
                    few,
                    eps=eps,
                    generator=seeded("guard", name, str(eps)),
                    budget="quick",
                    images=inside[:2000].double(),
                    others=[exact.net],
                )
                told["tries"] += len(few) * len(found.by)
                told["broken"] += sum(int((v.double().numpy() > bound[:attacked]).sum()) for v in found.by.values())
                row[f"gap {eps}"] = float((bound[:attacked] - found.confidence.double().numpy()).mean())
        told["sets"][name] = row
        print(f"  {name}: {json.dumps(row)}", flush=True)
    return told


def guards(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any], dict[str, Any] | None]]:
    """Each mix, what was measured of the separate net, and of the one tuned under the guard, if asked for."""
    net = trained(
        options.dataset, "plain", SCHEDULES["short"], data=options.data, runs=options.runs, seed=0,
        threads=torch.get_num_threads(), tell=lambda *_: None,
    )  # fmt: skip
    raw, targets = read(options.dataset, "train", options.data)
    images = as_inputs(raw, (1, SIDE, SIDE))

    @functools.lru_cache(maxsize=1)
    def taught(mix: str) -> tuple[CertifiedGuard, Tensor]:
        """The guard and what taught it; the same again whenever it is asked for."""
        print(f"{options.dataset}, taught by {mix}", flush=True)
        outs = [teachers(kind, images, options.pictures, options.seed, options.album) for kind in mix.split(":")]
        how = {
            "eps": options.eps,
            "steps": options.steps,
            "width": options.width,
            "seed": options.seed,
            "tell": teller(),
        }
        if len(outs) == 1:
            return fit_certified_guard(images, outs[0], **how), outs[0]
        return fit_certified_guards(images, outs, **how), torch.cat(outs)

    for mix in options.mixes.split(","):
        asked = (options.eps, options.steps, options.width, options.pictures, options.attacked, options.seed)
        size = len(album_files(options.album)) if "album" in mix else 0
        named = mix.replace("album", f"album of {size}")
        file = options.runs / f"{options.dataset}-guard-{'-'.join(map(str, (named.replace(' ', '-'), *asked)))}.json"
        if not file.exists():
            began = time.process_time()
            guard, _ = taught(mix)
            seconds = time.process_time() - began
            told = measured(net, guard, options.dataset, options.data, options.attacked) | {"seconds": seconds}
            write_atomic(file, json.dumps(told).encode())
        semi = file.with_name(f"{file.stem}-semi-{options.semi_joint}.json")
        if options.semi_joint and not semi.exists():
            guard, out = taught(mix)
            began = time.process_time()
            print(f"{options.dataset}, the net tuned under the guard taught by {mix}", flush=True)
            tuned = fit_semi_jointly(
                net,
                guard,
                images,
                np.asarray(targets, np.int64),
                out,
                steps=options.semi_joint,
                batch=128,
                seed=options.seed,
                tell=teller(),
            )
            seconds = time.process_time() - began
            told = measured(tuned, guard, options.dataset, options.data, 0) | {"seconds": seconds}
            write_atomic(semi, json.dumps(told).encode())
        yield (
            named.replace(":", "; "),
            json.loads(file.read_text()),
            json.loads(semi.read_text()) if options.semi_joint else None,
        )


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=sorted(OTHER))
    parser.add_argument("--data", type=Path, required=True, help="the folder with mnist/ and fashion-mnist/")
    parser.add_argument("--runs", type=Path, default=Path("runs/reproduce"))
    parser.add_argument("--mixes", default=",".join(MIXES), help="by commas")
    parser.add_argument("--album", type=Path, metavar="DIR", help="photographs for 'album' in a mix")
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--width", type=int, default=24)
    parser.add_argument("--pictures", type=int, default=80_000, help="out-pictures that teach it")
    parser.add_argument("--eps", type=float, default=0.1, help="of the balls that it is taught")
    parser.add_argument("--attacked", type=int, default=75, help="pictures of each out-set attacked at each eps")
    parser.add_argument(
        "--semi-joint", type=int, default=0, metavar="STEPS", help="tune the net under each guard too; 0: no"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--table", type=Path, metavar="FILE")
    options = parser.parse_args(words)
    torch.set_num_threads(options.threads)
    columns = [
        "taught by", "out-set", "AUROC, plain", "guarded", "certified at eps .01", ".05", ".1",
        "MMC inside, plain -> guarded", "MMC outside, guarded", "error %", "classes changed", "tries above a certificate",
    ]  # fmt: skip
    if options.semi_joint:
        columns += [f"semi-joint: {name}" for name in ("AUROC, guarded", "MMC inside", "MMC outside", "error %")]
    lines = []
    for mix, told, semi in guards(options):
        for name, row in told["sets"].items():
            cells = [
                mix, name, f"{row['plain']:.4f}", f"{row['guarded']:.4f}",
                *(f"{row[str(e)][0]:.4f} ({row[str(e)][1]:.4f}-{row[str(e)][2]:.4f})" for e in EPS),
                f"{told['mmc'][0]:.4f} -> {told['mmc'][1]:.4f}", f"{row['mmc']:.4f}", f"{told['error']:.2f}",
                str(told["changed"]), f"{told['broken']} of {told['tries']}",
            ]  # fmt: skip
            if semi is not None:
                tuned = semi["sets"][name]
                cells += [
                    f"{tuned['guarded']:.4f}", f"{semi['mmc'][1]:.4f}", f"{tuned['mmc']:.4f}", f"{semi['error']:.2f}",
                ]  # fmt: skip
            lines.append(cells)
    show(markdown(columns, lines), options.table)


if __name__ == "__main__":
    main()
