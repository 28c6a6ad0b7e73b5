"""Adapters to Kubernetes and NATS; each maps its library's errors where it meets them."""
