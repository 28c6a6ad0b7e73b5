"""What crosses the wire, machine-readable: models, names, limits, examples and the schemas made from them.

Everything else in the project may import this package; it imports only the standard library, pydantic and (lazily)
yaml.
"""
