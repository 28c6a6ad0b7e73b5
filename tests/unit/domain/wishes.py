"""What the senders of the state machine test wish for: few components, and many ways in which they change."""

from __future__ import annotations

from hypothesis import strategies as st

database = st.sampled_from(
    [
        {"name": "db", "type": "postgresql", "properties": {}},
        {"name": "db", "type": "postgresql", "properties": {"size": "large"}},
        {"name": "db", "type": "neon-postgres", "properties": {}},
        {"name": "db", "type": "postgresql", "properties": {"targetEnvironment": "edge"}},
        {"name": "db", "type": "postgresq", "properties": {}},
        None,
        None,
    ]
)
cache = st.sampled_from([{"name": "cache", "type": "redis", "properties": {}}, None])
api = st.sampled_from(
    [
        {"name": "api", "type": "webservice", "properties": {"language": "python", "database": "db"}},
        {"name": "api", "type": "webservice", "properties": {"language": "go", "database": "db", "cache": "cache"}},
        {"name": "api", "type": "webservice", "properties": {"language": "go"}},
        None,
    ]
)
gateway = st.sampled_from(
    [
        {"name": "gw", "type": "graphql-gateway", "properties": {"cache": "cache"}},
        {"name": "gw", "type": "graphql-gateway", "properties": {}},
        None,
    ]
)
desired = st.tuples(database, cache, api, gateway).map(lambda parts: [p for p in parts if p])
rarely = st.integers(0, 4).map(lambda n: n == 4)
policy = st.sampled_from(["", "", "delete", "db", "db,cache"])
front = st.sampled_from(
    [
        [{"name": "web", "type": "webservice", "properties": {"language": "go", "database": "orders/db"}}],
        [{"name": "web", "type": "webservice", "properties": {"language": "go", "cache": "orders/cache"}}],
        [{"name": "web", "type": "webservice", "properties": {"language": "go"}}],
        [
            {"name": "web", "type": "webservice", "properties": {"language": "go", "database": "store"}},
            {"name": "store", "type": "mongodb", "properties": {}},
        ],
        [{"name": "store", "type": "mongodb", "properties": {"size": "large"}}],
    ]
)
