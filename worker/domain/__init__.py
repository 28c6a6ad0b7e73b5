"""The heart: what an event means for an application. Pure: no I/O, no clock, no broker, no cluster."""
