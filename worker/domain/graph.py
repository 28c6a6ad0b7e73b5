"""Order among components: dependencies that make sense, and a stable sequence in which they are provisioned.

The tier rule is the platform's own: everything of pattern 3 before anything of pattern 2 before anything of pattern 1.
A dependency that points the other way can never be met, so it is an error and not a wish.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from worker.domain.classify import TYPES
from worker.domain.model import ComponentSpec, Problem


def find_cycle(edges: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return one cycle as a path whose first and last names are equal, or ``()``.

    Args:
        edges: What each name needs.
    """
    done: set[str] = set()
    for start in edges:
        if start in done:
            continue
        path: list[str] = [start]
        on_path = {start}
        stack = [iter(edges[start])]
        while stack:
            following = next(stack[-1], None)
            if following is None:
                stack.pop()
                left = path.pop()
                on_path.discard(left)
                done.add(left)
            elif following in on_path:
                return (*path[path.index(following) :], following)
            elif following in edges and following not in done:
                path.append(following)
                on_path.add(following)
                stack.append(iter(edges[following]))
    return ()


def check_order(specs: Sequence[ComponentSpec], paths: Mapping[str, str]) -> list[Problem]:
    """Return the problems of the dependency graph: a cycle, or a component that needs one of a later tier.

    Args:
        specs: The wanted components.
        paths: JSON path of each component by name.
    """
    by_name = {spec.name: spec for spec in specs}
    edges = {spec.name: spec.needs for spec in specs}
    problems = []
    cycle = find_cycle(edges)
    if cycle:
        problems.append(
            Problem(
                "dependency-cycle",
                f"the components need each other in a circle: {' → '.join(cycle)}",
                paths.get(cycle[0], "$"),
                cycle[0],
                "remove one of these references or dependsOn entries",
            )
        )
    for spec in specs:
        pattern = TYPES[spec.identity.type].pattern
        for needed in spec.needs:
            other = by_name.get(needed)
            if other is not None and TYPES[other.identity.type].pattern < pattern:
                lower = TYPES[other.identity.type].pattern
                problems.append(
                    Problem(
                        "order-violation",
                        f"{spec.name} ({spec.identity.type}, pattern {int(pattern)}) → {needed} "
                        f"({other.identity.type}, pattern {int(lower)}): pattern {int(pattern)} is provisioned before "
                        f"pattern {int(lower)}",
                        paths.get(spec.name, "$"),
                        spec.name,
                        f"remove {needed} from what {spec.name} depends on",
                    )
                )
    return problems


def sequence(specs: Iterable[ComponentSpec]) -> list[ComponentSpec]:
    """Return the components in the order of provisioning: by tier 3, 2, 1, needs first, otherwise as written.

    ``check_order`` refuses cycles in what is wanted; one among records of different times is broken anywhere.
    """
    specs = list(specs)
    by_name = {spec.name: spec for spec in specs}
    placed: dict[str, ComponentSpec] = {}
    entered: set[str] = set()

    for root in sorted(specs, key=lambda spec: -TYPES[spec.identity.type].pattern):
        stack = [root]
        while stack:
            spec = stack[-1]
            if spec.name in entered:
                placed.setdefault(spec.name, spec)
                stack.pop()
                continue
            entered.add(spec.name)
            stack += [by_name[name] for name in reversed(spec.needs) if name in by_name and name not in entered]
    return list(placed.values())
