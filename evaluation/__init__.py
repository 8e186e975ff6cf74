"""How good is it? Metrics for stylized videos of any program, and a report to look at.

``evaluate`` measures videos in files; the functions that it is made of take frames (uint8 RGB
(H, W, 3)) and flow (see ``brushflow.flow``) and can be used alone:

- ``stability``: E_warp, the masked error and its root, tOF, frame differences; ``masks``
- ``flicker``: fast flicker where the source stands still
- ``faithfulness``: content, style, edges; ``lpips``
- ``drift``: luminance, contrast and colour over time
- ``flow_accuracy``: EPE and Fl of flow estimators on ``datasets`` with ground truth
"""

from brushflow.evaluation.evaluation import Evaluation, Measured
from brushflow.evaluation.evaluator import DISTANCES, evaluate
from brushflow.evaluation.flow_accuracy import FlowAccuracy, flow_accuracy
from brushflow.evaluation.metrics import Metric, catalog
from brushflow.evaluation.truth import SintelTruth

__all__ = [
    "DISTANCES",
    "Evaluation",
    "FlowAccuracy",
    "Measured",
    "Metric",
    "SintelTruth",
    "catalog",
    "evaluate",
    "flow_accuracy",
]
