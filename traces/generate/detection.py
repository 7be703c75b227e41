"""All detectors: SSD and SSDLite, SpaghettiNet, EfficientDet-Lite, YOLO v2 to v8, CenterNet."""

from __future__ import annotations

from traces.generate import centernet, darknet_detectors, efficientdet, spaghettinet, ssd, ssd_fpn, yolo, yolo_newer

__all__ = ["DEFINITIONS"]

DEFINITIONS = [
    *ssd.DEFINITIONS,
    *ssd_fpn.DEFINITIONS,
    *spaghettinet.DEFINITIONS,
    *efficientdet.DEFINITIONS,
    *yolo.DEFINITIONS,
    *yolo_newer.DEFINITIONS,
    *darknet_detectors.DEFINITIONS,
    *centernet.DEFINITIONS,
]
