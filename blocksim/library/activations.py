"""Activations: elementwise nonlinear functions of neural networks, and softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from blocksim.block import Array, Block, Signal, block, param
from blocksim.errors import Mismatch
from blocksim.library._check import fits, floats

__all__ = [
    "ELU",
    "Affine",
    "HardSigmoid",
    "LeakyReLU",
    "ReLU",
    "ScaledTanh",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "ThresholdedReLU",
]


@block
class Sigmoid(Block):
    """y = 1 / (1 + exp(-u)), elementwise."""

    elementwise = True

    def output(self, xp: Any, u: Any) -> Any:
        # beyond it exp overflows, and the slope would be zero times infinity
        largest = 0.69 * np.finfo(u.dtype).maxexp
        return 1 / (1 + xp.exp(xp.minimum(-u, largest)))

    def check(self, u: Signal) -> None:
        floats(u=u)


@block
class Tanh(Block):
    """y = tanh(u), elementwise."""

    elementwise = True

    def output(self, xp: Any, u: Any) -> Any:
        return xp.tanh(u)

    def check(self, u: Signal) -> None:
        floats(u=u)


@block
class ScaledTanh(Block):
    """y = alpha tanh(beta u), elementwise. alpha, beta: scalars or the shape of u.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.ScaledTanh(2.0, 0.5).output(np, np.array([0.0, 1000.0]))
    array([0., 2.])
    """

    elementwise = True

    alpha: Array = param(default=1.0)
    beta: Array = param(default=1.0)

    def output(self, xp: Any, u: Any) -> Any:
        return self.alpha * xp.tanh(self.beta * u)

    def check(self, u: Signal) -> None:
        fits(self, u)


@block
class Affine(Block):
    """y = alpha u + beta, elementwise. alpha, beta: scalars or the shape of u.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Affine(2.0, 1.0).output(np.array([-1.0, 3.0]))
    array([-1.,  7.])
    """

    elementwise = True
    transparent = True

    alpha: Array = param(default=1.0)
    beta: Array = param(default=0.0)

    def output(self, u: Any) -> Any:
        return self.alpha * u + self.beta

    def check(self, u: Signal) -> None:
        fits(self, u)


@block
class HardSigmoid(Block):
    """y = min(max(slope u + offset, 0), 1), elementwise: a sigmoid of three straight pieces.

    slope, offset: scalars or the shape of u. Keras and ONNX have slope 0.2, PyTorch has 1/6.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.HardSigmoid().output(np, np.array([-4.0, 0.0, 1.0]))
    array([0. , 0.5, 0.7])
    """

    elementwise = True

    slope: Array = param(default=0.2)
    offset: Array = param(default=0.5)

    def output(self, xp: Any, u: Any) -> Any:
        return xp.minimum(xp.maximum(self.slope * u + self.offset, 0), 1)

    def check(self, u: Signal) -> None:
        fits(self, u)


@block
class Softsign(Block):
    """y = u / (1 + |u|), elementwise."""

    elementwise = True

    def output(self, xp: Any, u: Any) -> Any:
        return u / (1 + xp.abs(u))

    def check(self, u: Signal) -> None:
        floats(u=u)


@block
class ReLU(Block):
    """y = max(u, 0), elementwise."""

    elementwise = True

    def output(self, xp: Any, u: Any) -> Any:
        return xp.maximum(u, 0)

    def check(self, u: Signal) -> None:
        floats(u=u)


@block
class LeakyReLU(Block):
    """y = u for u >= 0, slope u below, elementwise. slope: a scalar or the shape of u (then: PReLU).

    >>> import blocksim as bs, numpy as np
    >>> bs.library.LeakyReLU(0.1).output(np, np.array([-2.0, 3.0]))
    array([-0.2,  3. ])
    """

    elementwise = True

    slope: Array = param(default=0.01)

    def output(self, xp: Any, u: Any) -> Any:
        return xp.maximum(u, 0) + self.slope * xp.minimum(u, 0)

    def check(self, u: Signal) -> None:
        fits(self, u)


@block
class ThresholdedReLU(Block):
    """y = u for u > alpha, else 0, elementwise. alpha: a scalar or the shape of u.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.ThresholdedReLU(0.5).output(np, np.array([-2.0, 0.4, 3.0]))
    array([0., 0., 3.])
    """

    elementwise = True

    alpha: Array = param(default=1.0)

    def output(self, xp: Any, u: Any) -> Any:
        return xp.where(u > self.alpha, u, 0)

    def check(self, u: Signal) -> None:
        fits(self, u)


@block
class ELU(Block):
    """y = u for u >= 0, alpha (exp(u) - 1) below, elementwise. alpha: a scalar or the shape of u.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.ELU().output(np, np.array([-np.log(2), 3.0]))
    array([-0.5,  3. ])
    """

    elementwise = True

    alpha: Array = param(default=1.0)

    def output(self, xp: Any, u: Any) -> Any:
        return xp.maximum(u, 0) + self.alpha * xp.expm1(xp.minimum(u, 0))

    def check(self, u: Signal) -> None:
        fits(self, u)


@block
class Softplus(Block):
    """y = log(1 + exp(u)), elementwise, without overflow."""

    elementwise = True

    def output(self, xp: Any, u: Any) -> Any:
        return xp.logaddexp(0, u)

    def check(self, u: Signal) -> None:
        floats(u=u)


@block
class Softmax(Block):
    """y = exp(u) / sum(exp(u)) over the last axis, without overflow.

    >>> import blocksim as bs, numpy as np
    >>> bs.library.Softmax().output(np, np.array([1000.0, 1000.0]))
    array([0.5, 0.5])
    """

    def output(self, xp: Any, u: Any) -> Any:
        # the difference of halves is finite for all u
        e = xp.exp(u / 2 - xp.max(u, axis=-1, keepdims=True) / 2) ** 2
        return e / xp.sum(e, axis=-1, keepdims=True)

    def check(self, u: Signal) -> None:
        floats(u=u)
        if not u.shape or not u.shape[-1]:
            raise Mismatch("a signal with elements along its last axis", str(u), "", "u")
