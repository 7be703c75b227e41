"""All detectors: SSD and SSDLite, SpaghettiNet, EfficientDet-Lite, YOLO, CenterNet.

The small classifiers that only the measurement files name (``measured``) come with them.
"""

from __future__ import annotations

from traces.generate import centernet, efficientdet, measured, spaghettinet, ssd, yolo

__all__ = ["DEFINITIONS"]

DEFINITIONS = [
    *ssd.DEFINITIONS,
    *spaghettinet.DEFINITIONS,
    *efficientdet.DEFINITIONS,
    *yolo.DEFINITIONS,
    *centernet.DEFINITIONS,
    *measured.DEFINITIONS,
]
