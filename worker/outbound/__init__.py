"""Out: the adapters of the ports, one technology each. Nothing here knows the corridor or another adapter's business."""
