"""Quantities of Kubernetes, exact: ``1Gi``, ``1500m``, ``2e3``.

The notation and the words of refusals are those of k8s.io/apimachinery ``resource.ParseQuantity``; values are rounded
up to a billionth and binary ones capped, as there.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

_NOTATION = re.compile(r"([+-]?)(\d*)\.?(\d*)([eEinumkKMGTP]*[-+]?\d*)")
_EXPONENT = re.compile(r"[eE]([+-]?\d{1,4})")
_SMALLEST = 10**9
_BINARY_LIMIT = Fraction(2**63 - 1)
_DECIMAL = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def parse(text: str) -> Fraction:
    """Return the value of a quantity.

    Raises:
        ValueError: the text is none.
    """
    found = _NOTATION.fullmatch(text)
    if not text or found is None:
        raise ValueError(r"quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    sign, whole, part, suffix = found.groups()
    value = Fraction(int(whole + part or "0"), 10 ** len(part)) * _factor(suffix)
    rounded = Fraction(math.ceil(value * _SMALLEST), _SMALLEST)
    if suffix in _BINARY:
        rounded = min(rounded, _BINARY_LIMIT)
    return -rounded if sign == "-" else rounded


def _factor(suffix: str) -> Fraction:
    if suffix in _DECIMAL:
        return Fraction(1000) ** _DECIMAL[suffix]
    if suffix in _BINARY:
        return Fraction(1024) ** _BINARY[suffix]
    exponent = _EXPONENT.fullmatch(suffix)
    if exponent is None:
        raise ValueError("unable to parse quantity's suffix")
    return Fraction(10) ** int(exponent[1])
