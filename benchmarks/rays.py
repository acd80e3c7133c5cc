"""How fast rays are audited on the paper's ResNetSmall: rays a second for the limit, milliseconds a region for the sweep.

    python benchmarks/rays.py --threads 1               # the limit, and 20 seconds of a sweep
    python benchmarks/rays.py --threads 1 --full        # a whole sweep from alpha = 1 to infinity

Weights are random, with batch-norm statistics drawn around 0 and 1, unless --weights names a file of a trained net.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import torch

from openset.audit import limits, pieces, trace
from openset.nets import Net, build


def net_of(weights: str | None) -> Net:
    torch.manual_seed(0)
    net = build("resnet-small", 10, weights=weights)
    if weights is None:
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.5, 2.0)
    return net.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rays", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20.0, help="of the sweep, unless --full")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--weights", help="a safetensors file")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    lines = trace(net_of(given.weights), (3, 32, 32))
    x = torch.rand(given.rays, 3, 32, 32, generator=torch.Generator().manual_seed(1))
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
    began, cpu, regions, alpha = time.perf_counter(), time.process_time(), 0, 1.0
    for part in pieces(lines, x[0]):
        regions, alpha = regions + len(part.q) - 1, float(part.alpha[-1])
        if not given.full and time.perf_counter() - began > given.seconds:
            break
    print(
        json.dumps(
            {
                "regions": regions,
                "swept_to": str(alpha),
                "seconds": round(time.perf_counter() - began, 1),
                "cpu_ms_per_region": round(1e3 * (time.process_time() - cpu) / regions, 3),
                "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
