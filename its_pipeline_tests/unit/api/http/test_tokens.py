"""Tokens and the server's own settings: who is who, and when it refuses to start."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from its_pipeline.api.http.server_settings import ServerSettings, UnsafeSettingsError, is_loopback
from its_pipeline.api.http.tokens import TokenRecord, hash_token, identify, make_token


def test_a_token_is_recognised_by_its_hash_alone():
    token, record = make_token("phone", "anna")
    other, _ = make_token("phone2", "anna")

    caller = identify(token, [make_token("first")[1], record, make_token("last")[1]])

    assert caller is not None
    assert (caller.name, caller.user_id, caller.is_service) == ("phone", "anna", False)
    assert token not in record.model_dump_json()
    assert identify(other, [record]) is None
    assert identify(record.sha256, [record]) is None


def test_scopes():
    user = identify(*_with_records(*make_token("phone", "anna")))
    service = identify(*_with_records(*make_token("app")))
    assert user is not None
    assert service is not None
    assert user.may_see("anna")
    assert not user.may_see("ben")
    assert service.may_see("ben")


def _with_records(token, record):
    return token, [record]


def test_an_expired_token_is_nobodys():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    token, record = make_token("phone", "anna", expires_at=now)
    assert identify(token, [record], now - timedelta(seconds=1)) is not None
    assert identify(token, [record], now) is None


def test_a_long_token_is_refused_unread():
    token = "x" * 1000
    record = TokenRecord(name="long", sha256=hash_token(token), scope="service")
    assert identify(token, [record]) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"scope": "user"},
        {"scope": "service", "user_id": "anna"},
        {"scope": "user", "user_id": "../anna"},
        {"scope": "admin"},
        {"scope": "service", "sha256": "its_secret"},
    ],
)
def test_records_that_make_no_sense_are_refused(fields):
    with pytest.raises(ValidationError):
        TokenRecord(**{"name": "phone", "sha256": hash_token("x"), **fields})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.0.1"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "its.example", ""])
def test_not_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "its.example"])
def test_no_start_without_tokens_where_others_reach_it(host):
    with pytest.raises(UnsafeSettingsError, match=r"other machines reach"):
        ServerSettings(host=host, allow_anonymous=True).check_safe()
    with pytest.raises(UnsafeSettingsError, match=r"no tokens"):
        ServerSettings(host=host).check_safe()


def test_no_tokens_on_loopback_only_when_said():
    with pytest.raises(UnsafeSettingsError, match="ITS_API_ALLOW_ANONYMOUS"):
        ServerSettings().check_safe()
    ServerSettings(allow_anonymous=True).check_safe()


def test_anonymous_beside_tokens_is_refused():
    record = make_token("app")[1]
    with pytest.raises(UnsafeSettingsError, match="beside 1 tokens"):
        ServerSettings(allow_anonymous=True, tokens=(record,)).check_safe()


def test_records_come_from_the_environment_and_a_file(tmp_path, monkeypatch):
    first, second = make_token("app")[1], make_token("phone", "anna")[1]
    file = tmp_path / "tokens.json"
    file.write_text(f"[{second.model_dump_json()}]")
    monkeypatch.setenv("ITS_API_TOKENS", f"[{first.model_dump_json()}]")
    monkeypatch.setenv("ITS_API_TOKENS_FILE", str(file))

    settings = ServerSettings(host="0.0.0.0")

    settings.check_safe()
    assert [record.name for record in settings.token_records()] == ["app", "phone"]


def test_a_token_in_the_place_of_its_record_is_not_repeated(monkeypatch):
    monkeypatch.setenv(
        "ITS_API_TOKENS", json.dumps([{"name": "app", "scope": "service", "sha256": "its_geheim"}])
    )
    with pytest.raises(Exception) as caught:
        ServerSettings()
    assert "its_geheim" not in str(caught.value)
    assert "sha256" in str(caught.value)


def test_two_records_of_one_name_are_refused():
    records = (make_token("app")[1], make_token("app")[1])
    with pytest.raises(UnsafeSettingsError, match="'app'"):
        ServerSettings(tokens=records).token_records()
