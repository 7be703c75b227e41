"""All detectors: SSD and SSDLite, SpaghettiNet, EfficientDet-Lite, YOLO, CenterNet."""

from __future__ import annotations

from traces.generate import centernet, efficientdet, spaghettinet, ssd, ssd_fpn, yolo

__all__ = ["DEFINITIONS"]

DEFINITIONS = [
    *ssd.DEFINITIONS,
    *ssd_fpn.DEFINITIONS,
    *spaghettinet.DEFINITIONS,
    *efficientdet.DEFINITIONS,
    *yolo.DEFINITIONS,
    *centernet.DEFINITIONS,
]
