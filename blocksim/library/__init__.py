"""The blocks, by Simulink's names."""

from blocksim.library.activations import *  # noqa: F403
from blocksim.library.convolution import *  # noqa: F403
from blocksim.library.discrete import *  # noqa: F403
from blocksim.library.function import *  # noqa: F403
from blocksim.library.logic import *  # noqa: F403
from blocksim.library.math import *  # noqa: F403
from blocksim.library.nonlinear import *  # noqa: F403
from blocksim.library.random import *  # noqa: F403
from blocksim.library.routing import *  # noqa: F403
from blocksim.library.sequence import *  # noqa: F403
from blocksim.library.sources import *  # noqa: F403
from blocksim.library.tensor import *  # noqa: F403
