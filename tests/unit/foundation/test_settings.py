"""Settings: every wrong key, type or value is told with its file, its line and what to do."""

from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.errors import ConfigurationError
from newsletter.settings import ProviderName, load_settings, read_secret_file


def write(folder: Path, text: str) -> Path:
    path = folder / "newsletter.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path)
    return caught.value


def test_defaults_send_to_the_outbox_and_hold_unknown_deliveries(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, ""))

    assert settings.delivery.provider is ProviderName.OUTBOX
    assert settings.delivery.on_unknown == "hold"
    assert settings.delivery.expires_after == timedelta(hours=12)


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_known_one(tmp_path: Path) -> None:
    error = refused(write(tmp_path, "[delivery]\n\n[delivery.smtp]\nprot = 25\n"))

    assert str(error).endswith("newsletter.toml:4: unknown key 'delivery.smtp.prot'")
    assert error.fix == "did you mean 'delivery.smtp.port'?"


def test_an_unknown_table_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    error = refused(write(tmp_path, "[delivry]\nprovider = 'smtp'\n"))

    assert error.fix == "did you mean 'delivery'?"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[delivery]\nprovider = 'smpt'\n", "'outbox', 'smtp' or 'sendgrid', got 'smpt'"),
        ("[delivery.smtp]\nport = 'x'\n", "valid integer"),
        ("[delivery.smtp]\nport = 99999\n", "less than or equal to 65535, got 99999"),
        ("[newsletter]\ntimezone = 'Mars/Olympus'\n", "unknown time zone 'Mars/Olympus'"),
        ("[newsletter]\nbase_url = 'news.example.org'\n", "expected a URL"),
        ("[delivery]\nexpires_after = 'soon'\n", 'expected a duration such as "90s"'),
        ("[delivery]\nlease = '5s'\n", "at least 30s"),
    ],
)
def test_a_wrong_value_says_what_was_expected(tmp_path: Path, text: str, words: str) -> None:
    error = refused(write(tmp_path, text))

    assert words in str(error)
    assert "newsletter.toml" in str(error)


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    error = refused(write(tmp_path, "[delivery]\nprovider = \n"))

    assert "newsletter.toml:2: not valid TOML" in str(error)


def test_a_settings_file_that_was_named_must_exist(tmp_path: Path) -> None:
    error = refused(tmp_path / "absent.toml")

    assert "does not exist" in str(error)


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSLETTER_DELIVERY__SMTP__PORT", "2525")

    settings = load_settings(write(tmp_path, "[delivery.smtp]\nport = 25\nhost = 'mx.test'\n"))

    assert settings.delivery.smtp.port == 2525
    assert settings.delivery.smtp.host == "mx.test"


def test_a_wrong_variable_is_named_instead_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSLETTER_DELIVERY__SMTP__PORT", "many")

    error = refused(write(tmp_path, ""))

    assert str(error).startswith("NEWSLETTER_DELIVERY__SMTP__PORT: ")


def test_a_wrong_secret_is_never_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEWSLETTER_DELIVERY__SMTP__PASSWORD", "hunter2")
    settings = load_settings(write(tmp_path, ""))

    error = refused(write(tmp_path, "[delivery.sendgrid]\napi_key = 12345\n"))

    assert "hunter2" not in repr(settings)
    assert "12345" not in str(error)


def test_a_secret_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "smtp.password"
    secret.write_text("hunter2\n")
    secret.chmod(0o644)

    with pytest.raises(ConfigurationError, match="may be read by others") as caught:
        read_secret_file(secret)

    assert caught.value.fix == f"chmod 600 {secret}"
    secret.chmod(0o600)
    assert read_secret_file(secret) == "hunter2"


def test_an_error_about_a_whole_table_repeats_none_of_its_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "newsletter.toml"
    file.write_text('[delivery.smtp]\ndkim_domain = "example.org"\n')
    monkeypatch.setenv("NEWSLETTER_DELIVERY__SMTP__PASSWORD", "hunter2")

    with pytest.raises(ConfigurationError, match="belong together") as caught:
        load_settings(file)

    assert "hunter2" not in str(caught.value)
