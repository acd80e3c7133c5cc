"""Pure losses on logits. Every training scheme is ONE shape, `total`; schemes differ in the out-loss and its pictures.

Logits are one row an image of K >= 2 (`rows`): of a single logit every softmax is 1. CEDA and ACET use `log_max_prob` (Hein et al. 2019, arXiv 1812.05720, sections 4 and 4.1), outlier exposure uses
`out_uniform` (Hendrycks et al. 2019, arXiv 1812.04606). Both are smallest exactly at the uniform prediction.
"""

from __future__ import annotations

from torch import Tensor


def rows(logits: Tensor) -> Tensor:
    """The logits themselves, [B, K]. Raises ValueError for all else: a tuple, a map, one logit, whose softmax is always 1."""
    if isinstance(logits, Tensor) and logits.dim() == 2 and logits.shape[1] >= 2:
        return logits
    got = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    raise ValueError(
        f"logits must be one tensor [B, K] with K >= 2, got {got}: wrap the net so that it gives (0, f) for a single "
        "logit f, the logits alone for a tuple, one row an image for a map"
    )


def cross_entropy_in(logits: Tensor, y: Tensor) -> Tensor:
    """-log p(y) = -log( e^f_y(x) / sum_l e^f_l(x) ) for each row. logits: f(x) [B, K]; y: int64 [B]. Gives [B], >= 0."""
    return -rows(logits).log_softmax(1).gather(1, y[:, None])[:, 0]


def log_max_prob(logits: Tensor) -> Tensor:
    """max_k log( e^f_k(z) / sum_l e^f_l(z) ), the log of the largest class probability: the paper's L_p_out (section 4).

    logits: f(z) [B, K]. Gives [B] in [-log K, 0]; -log K at the uniform. As all of these, raises ValueError by `rows`.
    """
    return rows(logits).log_softmax(1).amax(1)


def out_uniform(logits: Tensor) -> Tensor:
    """Cross entropy from the uniform distribution. logits: [B, K]. Gives [B], >= log K; log K at the uniform."""
    return -rows(logits).log_softmax(1).mean(1)


def total(inside: Tensor, outside: Tensor | None = None, weight: float = 1.0) -> Tensor:
    """(sum inside + weight * sum outside) / (n_in + n_out), a scalar; with no out-batch the mean of `inside`.

    The paper's objectives are 1/N sum_i L_CE(x_i, y_i) + lambda E[ L_p_out(z) ] (CEDA, section 4), and for ACET (section 4.1)
    the same with max over |u - z|_inf <= eps of L_p_out(u) in place of L_p_out(z).
    inside: [n_in] of `cross_entropy_in`; outside: [n_out] of an out-loss. weight = 1 is the paper's lambda. The
    released code divides by both counts, not each sum by its own: at 1:1 the two sides weigh one half each.
    """
    if outside is None:
        return inside.mean()
    return (inside.sum() + weight * outside.sum()) / (inside.numel() + outside.numel())
