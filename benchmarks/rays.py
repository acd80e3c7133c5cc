"""How fast rays are audited on the paper's ResNetSmall: rays a second for the limit, milliseconds a region for the sweep.

    python benchmarks/rays.py --threads 1               # the limit, and 20 CPU seconds of a sweep
    python benchmarks/rays.py --threads 1 --full        # a whole sweep from alpha = 1 to infinity
    python benchmarks/rays.py --threads 1 --workers 2 --full         # the same with two processes, each with its ranges
    python benchmarks/rays.py --released cifar10_plain.npz --full
    python benchmarks/rays.py --torchvision vgg16_bn --size 64 --rays 1     # a wide net: is memory bounded?

Weights are random, with batch-norm statistics drawn around 0 and 1, unless --weights names a file of a trained net or
--released one of the paper's. CPU seconds count all threads; on a machine with other work they are what a quiet one
would need or a little more, and seconds are not.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import torch
from torch import nn

from openset import authors
from openset.audit import limits, pieces, trace
from openset.nets import build


def net_of(weights: str | None, released: str | None, torchvision: str | None) -> nn.Module:
    if released is not None:
        return authors.load(released)
    torch.manual_seed(0)
    if torchvision is not None:
        from torchvision import models

        net: nn.Module = models.get_model(torchvision, num_classes=10)
    else:
        net = build("resnet-small", 10, weights=weights)
    if weights is None:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.5, 2.0)
    return net.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes that sweep disjoint ranges of the ray; their CPU time and memory are not in what is printed",
    )
    parser.add_argument("--rays", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20.0, help="of CPU time for the sweep, unless --full")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--stop", type=float, default=float("inf"), help="sweep from alpha = 1 to this alpha")
    parser.add_argument("--size", type=int, default=32, help="the side of the picture")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--weights", help="a safetensors file")
    which.add_argument("--released", help="one of the paper's nets (npz)")
    which.add_argument("--torchvision", help="the name of a torchvision net, with random weights")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    lines = trace(net_of(given.weights, given.released, given.torchvision), (3, given.size, given.size))
    x = torch.rand(given.rays, 3, given.size, given.size, generator=torch.Generator().manual_seed(1))
    limits(lines, x[: given.batch])  # warm
    began, cpu = time.perf_counter(), time.process_time()
    end = limits(lines, x, batch=given.batch)
    took = time.perf_counter() - began
    print(
        json.dumps(
            {
                "threads": given.threads,
                "limit_rays_per_s": round(given.rays / took, 1),
                "limit_cpu_ms_per_ray": round(1e3 * (time.process_time() - cpu) / given.rays, 2),
                "at_confidence_1": int((end.confidence == 1).sum()),
                "smallest_margin": float(end.margin.min()),
            }
        )
    )
    began, cpu, regions, alpha, last = time.perf_counter(), time.process_time(), 0, 1.0, 1.0
    for part in pieces(lines, x[0], stop=given.stop, workers=given.workers):
        regions, alpha = regions + len(part.q) - 1, float(part.alpha[-1])
        last = float(part.alpha[-2]) if len(part.q) > 2 else last
        if not given.full and given.workers == 1 and time.process_time() - cpu > given.seconds:
            break
    print(
        json.dumps(
            {
                "workers": given.workers,
                "regions": regions,
                "swept_to": str(alpha),
                "last_switch_of_the_limit": float(end.last_alpha[0]),
                "last_switch": last,
                "seconds": round(time.perf_counter() - began, 1),
                "cpu_seconds": round(time.process_time() - cpu, 1),
                "cpu_ms_per_region": round(1e3 * (time.process_time() - cpu) / regions, 3),
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
