"""The observer on a real nats-server, the embedded API and the simulated Argo."""
