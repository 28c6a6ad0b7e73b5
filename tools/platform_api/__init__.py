"""What is derived from the definitions in platform/04-apis: CRDs, the JSON Schema of a claim, the tables of fields.

The definition is the only source; what is derived is compared with it by `--check` and never edited by hand.
"""
