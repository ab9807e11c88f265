"""The preview shows a digest to its operator, changes nothing, and lets nobody else in."""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from selectolax.lexbor import LexborHTMLParser
from tests.integration.web.previewing import DIGEST, Previewed, a_workspace, previewed
from tests.waiting import soon

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Previewed]:
    desk = a_workspace(tmp_path_factory.mktemp("preview"))
    with previewed(desk) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_it_was(shown: Previewed) -> Iterator[None]:
    yield
    shown.write()


def words_of(response: httpx.Response) -> str:
    """Return what a page says."""
    body = LexborHTMLParser(response.text).body
    assert body is not None
    return " ".join(body.text(separator=" ").split())


def test_the_address_is_unguessable_and_everything_else_is_not_there(shown: Previewed) -> None:
    parts = urlsplit(shown.url)
    root = f"{parts.scheme}://{parts.netloc}"

    answers = [
        httpx.get(f"{root}{path}")
        for path in ("/", "/mail", "/x/", "/static/preview.js", parts.path[:-4] + "/", "//")
    ]

    assert [answer.status_code for answer in answers] == [404] * 6
    assert all("Harbour" not in answer.text for answer in answers)
    assert len(parts.path.strip("/")) >= 32
    assert shown.get().status_code == 200
    assert shown.get("nowhere").status_code == 404
    assert shown.get("static/../../app.py").status_code == 404


def test_the_address_without_its_last_slash_leads_to_the_page(shown: Previewed) -> None:
    answer = httpx.get(shown.url.rstrip("/"))

    assert answer.status_code == 307
    assert answer.headers["location"] == urlsplit(shown.url).path


@pytest.mark.parametrize(
    "host", ["evil.example.org", "evil.example.org:8010", "127.0.0.1.evil.example.org", "10.0.0.7"]
)
def test_a_name_that_was_made_to_point_here_is_refused(shown: Previewed, host: str) -> None:
    answer = shown.get(headers={"Host": host})

    assert answer.status_code == 421
    assert "Harbour" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9999", "[::1]:8010", "LOCALHOST:80"])
def test_the_names_of_this_machine_are_let_in_also_through_a_tunnel(
    shown: Previewed, host: str
) -> None:
    assert shown.get(headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_looking_is_allowed(shown: Previewed, method: str) -> None:
    answer = httpx.request(method, shown.url)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_looking_at_everything_changes_nothing(shown: Previewed) -> None:
    def state() -> dict[str, str]:
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(shown.desk.folder.rglob("*"))
            if path.is_file() and not path.name.endswith(("-shm", "-wal"))
        }

    before = state()
    for query in (
        "",
        "?view=text",
        "?view=markdown",
        "?view=html",
        "?view=message",
        "?find=reader",
    ):
        assert shown.get(query).status_code == 200
    for path in ("mail?as=1&scheme=dark", "message.eml?as=1", "revision"):
        assert shown.get(path).status_code == 200

    assert state() == before
    assert not (shown.desk.folder / "outbox").exists()


def test_the_page_runs_its_own_script_alone_and_the_frame_none(shown: Previewed) -> None:
    page = shown.get().headers
    frame = shown.get("mail").headers["content-security-policy"]
    without_images = shown.get("mail?images=off").headers["content-security-policy"]

    assert "script-src 'self'" in page["content-security-policy"]
    assert "unsafe" not in page["content-security-policy"]
    assert "frame-ancestors 'none'" in page["content-security-policy"]
    assert page["referrer-policy"] == "no-referrer"
    assert page["cache-control"] == "no-store"
    assert page["cross-origin-resource-policy"] == "same-origin"
    assert page["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in frame
    assert "script" not in frame
    assert "sandbox" in frame
    assert "allow-scripts" not in frame
    assert "img-src https: http: data:" in frame
    assert "img-src" not in without_images


def test_nothing_of_the_page_comes_from_elsewhere_or_stands_inline(shown: Previewed) -> None:
    tree = LexborHTMLParser(shown.get().text)

    sources = [node.attributes[name] for name in ("src", "href") for node in tree.css(f"[{name}]")]

    assert not [source for source in sources if source and re.match(r"(?:\w+:)?//", source)]
    assert tree.css("style, [style], script:not([src]), [onclick], [onload]") == []


def test_links_of_the_message_lead_nowhere_and_nobodys_token_is_made(shown: Previewed) -> None:
    frame = shown.get("mail?as=1").text
    message = shown.get("message.eml?as=1").text
    links = LexborHTMLParser(frame).css("a[href]")

    assert links
    assert all((link.attributes["href"] or "").startswith("#") for link in links)
    assert "https://harbour.example.org/paint" in [link.attributes.get("title") for link in links]
    assert re.findall(r"List-Unsubscribe: <\S+/u/(\w+)>", message) == ["test"]


def test_dark_light_inverted_unstyled_and_without_images_differ(shown: Previewed) -> None:
    looks = {
        query: shown.get(f"mail?{query}").text
        for query in ("", "scheme=dark", "scheme=inverted", "styles=off", "images=off")
    }

    assert len(set(looks.values())) == len(looks)
    assert "prefers-color-scheme" not in "".join(looks.values())
    assert LexborHTMLParser(looks["styles=off"]).css("style") == []
    assert "invert(1)" in looks["scheme=inverted"]
    assert "lighthouse.jpg" in looks[""]
    assert "lighthouse.jpg" not in looks["images=off"]
    assert 'alt="The lighthouse from the pier"' in looks["images=off"]


def test_the_message_is_merged_for_the_chosen_subscriber(shown: Previewed) -> None:
    chosen = shown.get("?as=2")
    nobody = shown.get("mail").text
    longest = shown.get("mail?as=longest").text
    message = email.message_from_bytes(
        shown.get("message.eml?as=2").content, policy=email.policy.default
    )

    assert "reader2@example.org" in words_of(chosen)
    assert "Good morning, Reader." in shown.get("mail?as=2").text
    assert "Good morning, reader." in nobody
    assert "Maximiliane" in longest
    assert message["To"] == "Reader 2 <reader2@example.org>"


def test_subscribers_are_found_by_parts_of_name_or_address(shown: Previewed) -> None:
    by_address = words_of(shown.get("?find=reader3@"))
    by_name = words_of(shown.get("?find=Reader+1"))
    nobody = words_of(shown.get("?find=%25_%25"))

    assert "reader3@example.org" in by_address
    assert "reader1@example.org" not in by_address
    assert "reader1@example.org" in by_name
    assert "Nobody on this list" in nobody


def test_a_subscriber_that_is_not_there_is_nobody(shown: Previewed) -> None:
    for unknown in ("999", "9" * 40, "-1", "²", "' OR 1=1"):
        assert "Good morning, reader." in shown.get("mail", params={"as": unknown}).text


def test_words_of_a_digest_never_become_markup_of_the_page(shown: Previewed) -> None:
    nasty = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    shown.write(DIGEST.replace("Harbour News", f"Harbour {nasty}").replace("white again", nasty))

    for query in ("", "?view=text", "?view=markdown", "?view=html", "?view=message"):
        tree = LexborHTMLParser(shown.get(query).text)
        assert [node.attributes.get("src") for node in tree.css("script")] == ["static/preview.js"]
        assert tree.css("img") == []
    found = LexborHTMLParser(shown.get("", params={"find": nasty, "list": "daily"}).text)
    assert len(found.css("script")) == 1
    assert found.css("img") == []


def test_a_query_never_opens_a_file_outside_of_the_library(shown: Previewed) -> None:
    secret = shown.desk.folder / "notes.md"
    secret.write_text("# Not for this page\n\nPassword.\n", encoding="utf-8")

    for named in ("../notes.md", str(secret), "notes.md", "../newsletter.key", "given"):
        page = words_of(shown.get("", params={"digest": named, "view": "markdown"}))
        assert "Not for this page" not in page
        assert "there is no digest" in page


def test_findings_lead_to_their_line(shown: Previewed) -> None:
    shown.write(DIGEST.replace("paint [^1]", "paint [^7]"))

    page = LexborHTMLParser(shown.get().text)
    [link] = [
        node
        for node in page.css(".findings .error a")
        if "#line-12" in (node.attributes["href"] or "")
    ]
    target = shown.get((link.attributes["href"] or "").removeprefix("./"))
    wanted = LexborHTMLParser(target.text).css_first("#line-12")

    assert wanted is not None
    assert "[^7]" in wanted.text()
    assert "wanted" in (wanted.attributes["class"] or "")


def test_a_broken_template_is_shown_with_its_line_and_comes_back(shown: Previewed) -> None:
    template = shown.desk.folder / "templates" / "email" / "digest.mjml.j2"
    whole = template.read_text(encoding="utf-8")
    lines = len(whole.splitlines())
    try:
        for broken in ("{% if %}", "{{ nothing_of_this_name }}", "{{ 1 + 'a' }}"):
            template.write_text(f"{whole.rstrip()}\n{broken}\n", encoding="utf-8")
            page = shown.get()
            assert page.status_code == 200
            assert f"digest.mjml.j2:{lines + 1}" in words_of(page)
            assert broken in words_of(page)
    finally:
        template.write_text(whole, encoding="utf-8")
    assert "cannot be shown" not in words_of(shown.get())


def test_wrong_settings_are_shown_without_their_lines_and_come_back(shown: Previewed) -> None:
    settings = shown.desk.folder / "newsletter.toml"
    whole = settings.read_text(encoding="utf-8")
    try:
        settings.write_text('[newsletter]\nnmae = "not to be seen"\n', encoding="utf-8")
        page = words_of(shown.get())
        assert "unknown key 'newsletter.nmae'" in page
        assert "newsletter.toml:2" in page
        assert "not to be seen" not in page
        settings.write_text(whole.replace('name = "', 'name = "New ', 1), encoding="utf-8")
        assert "cannot be shown" not in words_of(shown.get())
    finally:
        settings.write_text(whole, encoding="utf-8")


def test_a_digest_that_cannot_be_read_is_told_and_the_page_goes_on(shown: Previewed) -> None:
    for text, told in (("", "empty"), ("Only a lede, no title.\n", "title")):
        shown.write(text)
        page = words_of(shown.get())
        assert "cannot be shown" in page
        assert told in page
    shown.digest.unlink()
    assert "there is no digest" in words_of(shown.get())
    shown.write()
    assert "Harbour News" in words_of(shown.get())


def test_a_change_is_told_at_once_and_another_files_is_not(shown: Previewed) -> None:
    with httpx.stream("GET", shown.url + "events", timeout=30) as news:
        assert news.headers["content-type"].startswith("text/event-stream")
        lines = news.iter_lines()
        first = _next_revision(lines)
        (shown.desk.folder / "unrelated.txt").write_text("x", encoding="utf-8")
        shown.write(DIGEST.replace("painted", "washed"))
        second = _next_revision(lines)

    assert second > first
    assert soon(lambda: shown.get("revision").json()["revision"] >= second)


def _next_revision(lines: Iterator[str]) -> int:
    """Return the number of the next change; heartbeats are passed over."""
    for line in lines:
        if line == "event: revision":
            return int(next(lines).removeprefix("data: "))
    raise AssertionError("the news ended")


def test_ctrl_c_ends_it_well_also_while_a_page_listens(tmp_path: Path) -> None:
    desk = a_workspace(tmp_path, readers=0)
    with (
        previewed(desk, "2026-11-25") as running,
        httpx.stream("GET", running.url + "events", timeout=30) as news,
    ):
        _next_revision(news.iter_lines())
        code, said = running.end()

    assert code == 0
    assert f"the preview at {running.url.rsplit('/', 2)[0]} has ended" in said
    assert urlsplit(running.url).path.strip("/") not in said


def test_a_digest_outside_of_the_library_is_previewed_as_the_subscriber_named(
    tmp_path: Path,
) -> None:
    drafts, workspace = tmp_path / "drafts", tmp_path / "workspace"
    drafts.mkdir()
    workspace.mkdir()
    desk = a_workspace(workspace)
    (drafts / "draft.md").write_text(DIGEST.replace("Harbour", "Hillside"), encoding="utf-8")

    with previewed(desk, str(drafts / "draft.md"), "--as", "reader2@example.org") as running:
        page = words_of(running.get())
        latest = words_of(running.get("?digest=latest"))

    assert "Hillside News" in page
    assert "reader2@example.org" in page
    assert "Harbour News" in latest


def test_what_cannot_begin_is_a_clear_error(tmp_path: Path) -> None:
    desk = a_workspace(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        busy = desk.run("preview", "--port", port, code=1)
    missing = desk.run("preview", "2026-11-26", code=1)
    no_list = desk.run("preview", "--list", "dayly", code=1)
    nobody = desk.run("preview", "--as", "nobody@example.org", code=1)
    network = desk.run("preview", "--host", "0.0.0.0", code=2)

    assert f"cannot listen on 127.0.0.1 port {port}" in busy.stderr
    assert "there is no digest '2026-11-26'" in missing.stderr
    assert "did you mean 'daily'?" in no_list.stderr
    assert "is not on list 'daily'" in nobody.stderr
    assert "add --yes" in network.stderr
    assert [one.stdout for one in (busy, missing, no_list, nobody, network)] == [""] * 5
