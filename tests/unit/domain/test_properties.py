"""What holds for any desired state and any name, searched for counterexamples."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from contracts.fields import DNS_LABEL
from worker.domain.decide import Launch, Settle
from worker.domain.digest import digest
from worker.domain.events import AppKey, DesiredComponent, EventKind, Order, Settings
from worker.domain.graph import find_cycle, sequence
from worker.domain.model import ComponentSpec, Identity
from worker.domain.names import apply_task, claim_name, run_token, teardown_task, workflow_name
from worker.domain.normalise import normalise
from worker.domain.record import Disposition, Record, State

from .build import APP, event, finished, judge
from .test_tables import GIVEN

_names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
_types = st.sampled_from(list(GIVEN))
_hostile = st.one_of(
    st.text(max_size=80),
    st.sampled_from(
        [
            "{{workflow.uid}}",
            "{{=sprig.env('x')}}",
            "a" * 300,
            "9" * 63,
            "-",
            "",
            "ä",
            "\n",
            "A/B",
            "\ud800",
            "a-b",
            "a--b",
        ]
    ),
)


@st.composite
def desired(draw: st.DrawFn, minimum: int = 1) -> list[DesiredComponent]:
    """Any components with any dependencies that make sense: on components of the same or an earlier tier."""
    names = draw(st.lists(_names, min_size=minimum, max_size=8, unique=True))
    parts: list[DesiredComponent] = []
    for name in names:
        kind = draw(_types)
        earlier = [p.name for p in parts if _tier(p.type) >= _tier(kind)]
        needs = draw(st.lists(st.sampled_from(earlier), max_size=2, unique=True)) if earlier else []
        given = draw(st.dictionaries(st.sampled_from(sorted(GIVEN[kind])), st.none(), max_size=4))
        properties: dict[str, Any] = {key: GIVEN[kind][key] for key in given}
        if kind == "realtime-platform":
            properties["enableMQTT"] = True  # the others may all be off
        databases = [p.name for p in parts if p.type in {"postgresql", "mongodb", "neon-postgres", "clickhouse"}]
        if kind in {"webservice", "webservice-k8s", "graphql-gateway", "rasa-chatbot"} and databases:
            properties["database"] = draw(st.sampled_from([*databases, "none"]))
        parts.append(DesiredComponent(name, kind, properties, tuple(needs)))
    return draw(st.permutations(parts))


def _tier(kind: str) -> int:
    from worker.domain.classify import TYPES

    return TYPES[kind].pattern


def _positions(decision: Launch) -> dict[str, int]:
    return {task.name: position for position, task in enumerate(decision.plan.tasks)}


@settings(max_examples=60, deadline=None)
@given(desired(), st.booleans())
def test_tasks_are_in_an_order_that_can_be_carried_out(parts: list[DesiredComponent], teardown: bool) -> None:
    decision = judge(Record(APP), event(1, *parts))
    assert isinstance(decision, Launch)
    if teardown:
        gone = event(2, kind=EventKind.DELETED, settings=Settings(delete=("*",)))
        decision = judge(finished(decision), gone)
        assert isinstance(decision, Launch)
    at = _positions(decision)
    assert len(at) == len(parts)
    patterns = [task.pattern for task in decision.plan.tasks]
    assert patterns == sorted(patterns, reverse=not teardown)
    for task in decision.plan.tasks:
        assert all(at[needed] < at[task.name] for needed in task.depends_on)
        assert all(at[source.task] < at[task.name] for source in task.outputs_of.values())
        assert {source.task for source in task.outputs_of.values()} <= set(_ancestors(decision, task.name))


def _ancestors(decision: Launch, name: str) -> set[str]:
    needs = {task.name: task.depends_on for task in decision.plan.tasks}
    found: set[str] = set()
    rest = list(needs[name])
    while rest:
        one = rest.pop()
        if one not in found:
            found.add(one)
            rest += needs[one]
    return found


@settings(max_examples=60, deadline=None)
@given(desired())
def test_a_tier_waits_for_the_whole_tier_before_it(parts: list[DesiredComponent]) -> None:
    decision = judge(Record(APP), event(1, *parts))
    assert isinstance(decision, Launch)
    for task in decision.plan.tasks:
        earlier = {other.name for other in decision.plan.tasks if other.pattern > task.pattern}
        assert earlier <= _ancestors(decision, task.name)


@settings(max_examples=60, deadline=None)
@given(desired())
def test_the_order_is_stable(parts: list[DesiredComponent]) -> None:
    specs = normalise(event(1, *parts), Record(APP), {}).specs
    once = sequence(specs)
    assert sequence(once) == once
    assert not find_cycle({spec.name: spec.needs for spec in specs})


@settings(max_examples=60, deadline=None)
@given(desired())
def test_a_plan_is_idempotent_and_nothing_is_left_to_do_after_it(parts: list[DesiredComponent]) -> None:
    first = judge(Record(APP), event(1, *parts))
    assert isinstance(first, Launch)
    assert judge(Record(APP), event(1, *parts)) == first
    again = judge(finished(first), event(2, *parts))
    assert isinstance(again, Settle)
    assert again.disposition is Disposition.UNCHANGED
    assert again.plan.components == finished(first).components


@settings(max_examples=60, deadline=None)
@given(desired(), desired(minimum=0))
def test_from_any_state_to_any_other_everything_is_accounted_for(
    before: list[DesiredComponent], after: list[DesiredComponent]
) -> None:
    first = judge(Record(APP), event(1, *before))
    assert isinstance(first, Launch)
    second = judge(finished(first), event(2, *after, settings=Settings(allow_empty=True)))
    assert isinstance(second, Launch | Settle)
    if isinstance(second, Settle) and second.disposition is Disposition.REJECTED:
        return
    plan = second.plan
    mentioned = [*(t.identity for t in plan.tasks), *plan.unchanged, *(r.identity for r in plan.retained)]
    assert len(mentioned) == len(set(mentioned))
    assert set(mentioned) == {c.identity for c in plan.components}
    assert {c.identity for c in first.record.components} <= set(mentioned)
    at_rest = finished(second) if isinstance(second, Launch) else second.record
    assert {c.identity.name for c in at_rest.components if c.wanted} == {p.name for p in after}
    assert {c.state for c in at_rest.components if not c.wanted} <= {State.RETAINED}


@given(_hostile, _hostile, _hostile, st.integers(0, 10**30), st.integers(1, 10**9))
def test_names_of_workflows_are_labels(instance: str, namespace: str, name: str, number: int, attempt: int) -> None:
    made = workflow_name(instance, AppKey(namespace, name), Order("i", 1, generation=number), attempt)
    assert re.fullmatch(DNS_LABEL.strip("^$"), made), made
    assert len(made) <= 63
    assert made.endswith(run_token(made))


@given(_hostile, _hostile, _hostile, _hostile, _hostile)
def test_names_of_claims_are_labels(instance: str, namespace: str, name: str, component: str, target: str) -> None:
    made = claim_name(instance, AppKey(namespace, name), Identity(component, "redis", target))
    assert re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", made), made  # Services are named after it
    assert len(made) <= 63
    assert "{" not in made


@given(st.tuples(*[_hostile] * 5), st.tuples(*[_hostile] * 5))
def test_different_claims_have_different_names(a: tuple[str, ...], b: tuple[str, ...]) -> None:
    assume(a != b)

    def name(parts: tuple[str, ...]) -> str:
        return claim_name("i", AppKey(parts[0], parts[1]), Identity(parts[2], parts[3], parts[4]))

    assert name(a) != name(b)


@given(st.tuples(_hostile, _hostile, _hostile), st.integers(0, 99), st.integers(0, 99), st.integers(1, 99))
def test_different_runs_have_different_names(
    app: tuple[str, str, str], generation: int, sequence: int, attempt: int
) -> None:
    def name(instance: str, namespace: str, application: str, sequence: int, generation: int, attempt: int) -> str:
        order = Order("i", sequence, generation=generation)
        return workflow_name(instance, AppKey(namespace, application), order, attempt)

    names = {
        name(*app, sequence, generation, attempt),
        name(*app, sequence + 1, generation, attempt),
        name(*app, sequence, generation + 1, attempt),
        name(*app, sequence, generation, attempt + 1),
        name(app[0] + "x", app[1], app[2], sequence, generation, attempt),
        name(app[0], app[1] + "x", app[2], sequence, generation, attempt),
        name(app[0], app[1], app[2] + "x", sequence, generation, attempt),
    }
    assert len(names) == 7


@given(st.lists(_names, min_size=1, max_size=20, unique=True))
def test_names_of_tasks_are_valid_and_never_equal(names: list[str]) -> None:
    made = [apply_task(n) for n in names] + [
        teardown_task(Identity(n, kind, target))
        for n in names
        for kind in ("redis", "kafka")
        for target in ("", "edge")
    ]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(r"[a-z][-a-z0-9]*", name) and len(name) <= 128 for name in made)


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), _json, max_size=6), st.randoms(use_true_random=False))
def test_a_digest_does_not_depend_on_the_order_of_keys(inputs: dict[str, Any], random: Any) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            random.shuffle(items)
            return {key: shuffled(inner) for key, inner in items}
        return [shuffled(inner) for inner in value] if isinstance(value, list) else value

    def of(value: dict[str, Any]) -> str:
        return digest(ComponentSpec(Identity("x", "redis"), value), Settings())

    assert of(inputs) == of(shuffled(inputs))
