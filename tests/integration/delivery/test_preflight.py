"""What a list's real readers make of a digest, and what a broken template does to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text, update
from tests.builders import Stage

from newsletter.audience.lists import get_list
from newsletter.audience.segments import add_segment, named_filter
from newsletter.clock import SettableClock
from newsletter.delivery.preflight import prepare_for_list, survey_readers
from newsletter.delivery.preparing import Prepared, prepare, refuse_unready
from newsletter.digest.model import Finding
from newsletter.errors import DeliveryError, TemplateError
from newsletter.settings import Settings, load_settings
from newsletter.storage.tables import memberships, subscribers

HEAD = (
    "# A title\n\n*By Ada • November 24, 2026*\n\nA lede that is long enough for the preview.\n\n"
)
STORY = "## News\n\n### A story\n\nIt happened.\n\n**Why it matters:** It does.\n\n"


@pytest.fixture(params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Iterator[Stage]:
    url = "sqlite:///ledger.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("server_url")
    stage = Stage(tmp_path, clock, readers=0, url=url)
    yield stage
    stage.database.close()


def settings_in(folder: Path, more: str = "") -> Settings:
    (folder / "newsletter.toml").write_text(
        '[newsletter]\nbase_url = "https://news.example.org"\npostal_address = "1 Main Street"\n'
        f'[sender]\nfrom_email = "daily@news.example.org"\n{more}',
        encoding="utf-8",
    )
    return load_settings(folder / "newsletter.toml")


def prepared_for(stage: Stage, body: str, *, segment: str | None = None) -> Prepared:
    path = stage.folder / "2026-11-24.md"
    path.write_text(HEAD + STORY + body, encoding="utf-8")
    with stage.database.read() as connection:
        daily = get_list(connection, "daily")
        among = named_filter(connection, segment, daily, stage.clock.now(), default_zone="UTC")
        return prepare_for_list(connection, path, settings_in(stage.folder), daily, among=among)


def give(stage: Stage, address: str, attributes: dict[str, object]) -> None:
    """Set what is known of a reader, as an import does."""
    with stage.database.write() as connection:
        connection.execute(
            update(subscribers)
            .where(subscribers.c.address == address)
            .values(attributes=attributes)
        )


def codes(prepared: Prepared) -> list[str]:
    return [finding.code for finding in prepared.findings]


def lacking(prepared: Prepared) -> Finding:
    return next(f for f in prepared.findings if f.code == "readers-lack-value")


def test_readers_who_lack_a_value_are_counted_with_the_line(stage: Stage) -> None:
    stage.join("ann@example.org", "Ann Archer")
    stage.join("bo@example.org")
    stage.join("cy@example.org", "  ")

    prepared = prepared_for(stage, "Dear {{ first_name }}, and {{ first_name }} again.\n")

    finding = lacking(prepared)
    assert "2 of 3 readers have no 'first_name'" in finding.problem
    assert (finding.line, finding.severity) == (15, "warning")
    assert finding.why
    assert codes(prepared) == ["readers-lack-value"]


def test_where_nobody_lacks_a_value_there_is_nothing_to_tell(stage: Stage) -> None:
    stage.join("ann@example.org", "Ann Archer")

    assert codes(prepared_for(stage, "Dear {{ first_name }} of {{ email }}.\n")) == []


def test_a_list_without_readers_leaves_the_findings_as_they_are(stage: Stage) -> None:
    assert codes(prepared_for(stage, "Dear {{ name }}.\n")) == ["merge-field-without-default"]


def test_a_default_makes_up_for_what_readers_lack(stage: Stage) -> None:
    stage.join("bo@example.org")

    assert codes(prepared_for(stage, 'Dear {{ name | default("reader") }}.\n')) == []


def test_only_those_who_get_the_mail_are_counted(stage: Stage) -> None:
    stage.join("ann@example.org", "Ann")
    stage.join("bo@example.org")
    with stage.database.write() as connection:
        gone = connection.execute(
            text("SELECT id FROM subscribers WHERE address = 'bo@example.org'")
        ).scalar_one()
        connection.execute(
            update(memberships)
            .where(memberships.c.subscriber_id == gone)
            .values(status="unsubscribed")
        )

    assert codes(prepared_for(stage, "Dear {{ name }}.\n")) == []


@pytest.mark.parametrize("body", ["Dear {{ name }}.\n", "It was a fine day.\n"])
def test_of_a_segment_its_readers_alone_count(stage: Stage, body: str) -> None:
    stage.join("ann@example.org", "Ann " * 30)
    stage.join("bo@example.org")
    stage.join("cy@example.org", "Cy")
    give(stage, "ann@example.org", {"plan": "free"})
    give(stage, "cy@example.org", {"plan": "pro"})
    with stage.database.write() as connection:
        add_segment(
            connection,
            stage.clock.now(),
            name="paying",
            text='attribute.plan = "pro"',
            actor="test",
        )

    everybody, paying = prepared_for(stage, body), prepared_for(stage, body, segment="paying")

    assert (everybody.readers, paying.readers) == (3, 1)
    assert codes(paying) == []
    assert ("readers-lack-value" in codes(everybody)) == ("name" in body)


def test_what_an_import_knows_counts_under_the_name_of_its_merge_field(stage: Stage) -> None:
    for name in ("ann", "bo", "cy"):
        stage.join(f"{name}@example.org")
    give(stage, "ann@example.org", {"Favourite Topic": "tides"})
    give(stage, "bo@example.org", {"Favourite Topic": "", 'odd "key"': "x"})

    finding = lacking(prepared_for(stage, "On {{ favourite_topic }}.\n"))

    assert "2 of 3 readers have no 'favourite_topic'" in finding.problem


def test_the_size_is_that_of_the_reader_with_the_longest_value(stage: Stage) -> None:
    stage.join("ann@example.org", "Ann")
    body = 'Dear {{ name | default("you") }}. ' * 60 + "word " * 11_000

    short = prepared_for(stage, body)
    stage.join("bo@example.org", "<" * 150 + " & Sons")
    long = prepared_for(stage, body)

    assert "html-too-large" not in codes(short)
    assert "html-too-large" in codes(long)
    with pytest.raises(DeliveryError, match=r"Gmail cuts it at 102,000.*Readers do not see"):
        refuse_unready(long)


def test_a_digest_that_is_small_for_everybody_only_counts_the_readers(stage: Stage) -> None:
    stage.join("ann@example.org", "Ann")

    prepared = prepared_for(stage, 'Dear {{ name | default("you") }}.\n')

    assert (prepared.readers, dict(prepared.longest)) == (1, {})


def test_values_are_measured_in_bytes_as_they_are_escaped(stage: Stage) -> None:
    stage.join("ann@example.org", "Ö<'\"&>")

    with stage.database.read() as connection:
        readers = survey_readers(connection, stage.list_id, {"name", "email", "town"}, measure=True)

    assert readers.count == 1
    assert readers.fields["name"].longest == len("Ö&lt;&#x27;&quot;&amp;&gt;".encode())
    assert readers.fields["email"].longest == len("ann@example.org")
    assert (readers.fields["town"].lacking, readers.fields["town"].longest) == (1, 0)


# ---------------------------------------------------------------- templates and pages


def a_digest(folder: Path) -> Path:
    path = folder / "2026-11-24.md"
    path.write_text(HEAD + STORY, encoding="utf-8")
    return path


def test_a_broken_template_is_a_finding_with_its_own_line_and_a_send_is_refused(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "templates" / "email"
    folder.mkdir(parents=True)
    (folder / "digest.mjml.j2").write_text("<mjml>\n\n{{ nonsense }}</mjml>", encoding="utf-8")

    prepared = prepare(a_digest(tmp_path), settings_in(tmp_path), None, ())

    (finding,) = prepared.findings
    assert (finding.code, finding.severity, finding.line) == ("template-error", "error", None)
    assert "digest.mjml.j2:3" in (finding.place or "")
    assert finding.why
    with pytest.raises(TemplateError, match="nonsense"):
        refuse_unready(prepared)


def test_the_page_of_the_digest_is_asked_for_by_its_slug(tmp_path: Path) -> None:
    prepared = prepare(
        a_digest(tmp_path),
        settings_in(tmp_path),
        None,
        (),
        archive_url=lambda slug: f"https://news.example.org/archive/daily/{slug}",
    )

    page = "https://news.example.org/archive/daily/2026-11-24"
    assert prepared.identity.archive_url == page
    assert prepared.content is not None
    assert page in prepared.content.html
    assert prepared.findings == ()


def test_a_signature_of_another_domain_is_told(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("key", encoding="utf-8")
    key.chmod(0o600)
    smtp = (
        '[delivery]\nprovider = "smtp"\n[delivery.smtp]\ndkim_domain = "other.example"\n'
        'dkim_key_file = "key.pem"\n'
    )

    prepared = prepare(a_digest(tmp_path), settings_in(tmp_path, smtp), None, ())

    assert codes(prepared) == ["dkim-not-aligned"]
    assert prepared.findings[0].place == "newsletter.toml"
