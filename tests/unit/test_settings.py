"""The environment: what is read, what is refused and how that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.settings import LogFormat, LogLevel, Settings, SettingsError, markdown_table


def read(**environment: str) -> Settings:
    return Settings.from_environment(environment)


def test_defaults_are_those_of_the_contract() -> None:
    settings = read()
    assert settings.nats_url == ("nats://127.0.0.1:4222",)
    assert (settings.nats_stream_name, settings.nats_consumer_group) == ("PLATFORM_EVENTS", "platform-worker")
    assert (settings.workflow_namespace, settings.workflow_service_account) == ("argo", "platform-workflows")
    assert settings.platform_instance == "default"
    assert (settings.max_in_flight, settings.unknown_error_tries, settings.crash_loop_deliveries) == (32, 5, 50)
    assert (settings.retry_budget, settings.graceful_timeout) == (21600.0, 25.0)


def test_other_variables_and_empty_ones_are_not_ours() -> None:
    assert read(PATH="/bin", MAX_IN_FLIGHT="", OTEL_SERVICE_NAME="x") == Settings()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1500ms", 1.5), ("10m", 600), ("6h", 21600), ("1.5h", 5400), ("2d", 172800)],
)
def test_durations(text: str, seconds: float) -> None:
    assert read(RETRY_BUDGET=text).retry_budget == seconds


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nats://a:4222", ("nats://a:4222",)),
        ("a:4222, tls://b:4222,", ("nats://a:4222", "tls://b:4222")),
        ("wss://a", ("wss://a",)),
    ],
)
def test_server_lists(text: str, servers: tuple[str, ...]) -> None:
    assert read(NATS_URL=text).nats_url == servers


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MAX_IN_FLIGHT", "0", "greater than or equal to 1"),
        ("MAX_IN_FLIGHT", "many", "integer"),
        ("HTTP_PORT", "70000", "less than or equal to 65535"),
        ("RETRY_BUDGET", "6 hours", "write a number of seconds, or a number with ms, s, m, h or d"),
        ("NATS_URL", "http://a", "nats://, tls://"),
        ("NATS_URL", " , ", "at least one"),
        ("NATS_STREAM_NAME", "a.b", "pattern"),
        ("PLATFORM_INSTANCE", "A_B", "pattern"),
        ("NATS_CREDENTIALS_FILE", "/no/such.creds", "does not point to a file (Credentials file"),
        ("LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("LOG_FORMAT", "xml", "'json' or 'text'"),
        ("CRASH_LOOP_DELIVERIES", "20", "greater than or equal to 21"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name_with_what_would_fit(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(**{name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert words in str(caught.value)


def test_all_problems_are_told_at_once_and_no_value_is() -> None:
    with pytest.raises(SettingsError) as caught:
        read(MAX_IN_FLIGHT="hunter2", HTTP_PORT="hunter2")
    assert len(str(caught.value).splitlines()) == 2
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"NATS_USER": "u"}, "NATS_USER and NATS_PASSWORD go together"),
        ({"NATS_PASSWORD": "hunter2"}, "NATS_USER and NATS_PASSWORD go together"),
        ({"NATS_TOKEN": "hunter2", "NATS_CREDENTIALS_FILE": __file__}, "exclude each other"),
        ({"NATS_TLS_KEY_FILE": __file__}, "needs NATS_TLS_CERT_FILE"),
    ],
)
def test_settings_that_contradict_each_other(environment: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        read(**environment)
    assert "hunter2" not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    settings = read(NATS_USER="u", NATS_PASSWORD="hunter2", NATS_URL="nats://u:hunter2@a")
    assert "hunter2" not in repr(settings)
    assert settings.nats_password
    assert settings.nats_password.get_secret_value() == "hunter2"


def test_where_http_listens() -> None:
    assert read().listen_host == "0.0.0.0"
    assert read(POD_IP="10.1.2.3").listen_host == "10.1.2.3"
    assert read(POD_IP="10.1.2.3", HTTP_HOST="127.0.0.1").listen_host == "127.0.0.1"


def test_words_are_read_without_case() -> None:
    settings = read(LOG_LEVEL="WARNING", LOG_FORMAT="Text", KUBECONFIG="/a/b")
    assert (settings.log_level, settings.log_format) == (LogLevel.WARNING, LogFormat.TEXT)
    assert settings.kubeconfig == Path("/a/b")


def test_the_table_names_every_variable_with_default_and_range() -> None:
    table = markdown_table()
    for name, field in Settings.model_fields.items():
        assert f"| `{name.upper()}` |" in table
        assert str(field.description) in table
    assert "| `RETRY_BUDGET` | `6h` | 1s to 7d |" in table
    assert "| `NATS_PASSWORD` |  |  |" in table
    assert "| `LOG_FORMAT` | `json` | `json` `text` |" in table
