"""Judge models on focal stacks, with their truth where it is known: `evaluate`, and what it is made of."""

from napari_swinfusion.evaluation.cases import Case, find_cases, read_case, simulated_case
from napari_swinfusion.evaluation.scoring import Summary, score, summarise
from napari_swinfusion.evaluation.verbs import Evaluation, evaluate

__all__ = [
    "Case",
    "Evaluation",
    "Summary",
    "evaluate",
    "find_cases",
    "read_case",
    "score",
    "simulated_case",
    "summarise",
]
