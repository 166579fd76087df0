"""From a diagram to a plan: flatten, check, schedule, infer."""

from blocksim.plan.compile import compile
from blocksim.plan.plan import Operation, Plan

__all__ = ["Operation", "Plan", "compile"]
