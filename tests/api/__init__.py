"""One suite for two API servers: what the embedded API answers must be what a real kube-apiserver answers.

Every test runs on both (`server`); the real one needs `make tools` and is marked `cluster`. A difference is a bug of
`worker.dev.kubernetes`.
"""
