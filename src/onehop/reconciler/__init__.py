"""From observed and desired to a plan: values in, values out."""

from onehop.reconciler.diff import diff
from onehop.reconciler.needs import Fallout, needs
from onehop.reconciler.plan import Create, Delete, Failure, Observation, Op, Plan, Replace, Report, Scope

__all__ = [
    "Create",
    "Delete",
    "Failure",
    "Fallout",
    "Observation",
    "Op",
    "Plan",
    "Replace",
    "Report",
    "Scope",
    "diff",
    "needs",
]
