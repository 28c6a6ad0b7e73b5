"""Out: the adapters of the ports, one technology each. None knows the corridor, or another adapter's business."""
