"""The `--local` lane of the platform API's shell tests: a cluster without Crossplane, for the time of one command.

Real are kube-apiserver, etcd, nats-server, KEDA, and the controllers of Kubernetes. What stands in for Crossplane
applies the golden renders (`composer`), what stands in for a kubelet runs pods as local processes (`node`).
"""
