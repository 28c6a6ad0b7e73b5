"""A node agent that runs each pod of the lane's API server as local processes, as a kubelet runs containers.

What it does as a kubelet does: environment, init containers, probes, restarts, grace, status, events, logs. What it
does not do: isolate. Processes run as the user who runs the lane, with nothing but an address of their own.
"""
