"""What `check --links` asks the web, and what it says of the answers (E7)."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Generator, Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.certificates import make_certificates
from tests.fakes.web_server import Page, WebServer, running_web

from newsletter.delivery.outside.link_addresses import Address, is_public
from newsletter.delivery.outside.link_checks import check_links
from newsletter.delivery.outside.link_fetching import Fetcher, FetchFailed, Trouble
from newsletter.digest.model import Digest, Finding
from newsletter.digest.parser import parse

LOOPBACK = ip_address("127.0.0.1")


def everywhere(_host: str, _port: int) -> Sequence[Address]:
    """Find every host on this machine, where the tests' servers are."""
    return (LOOPBACK,)


def a_fetcher(**more: object) -> Fetcher:
    return Fetcher(**{"seconds": 10.0, "lookup": everywhere, "allowed": lambda _: True, **more})  # type: ignore[arg-type]


def a_digest(*links: str) -> Digest:
    lines = [f"[link {n}]({url})" for n, url in enumerate(links)]
    text = "# Title\n\n*By Ada • May 7, 2026*\n\n## News\n\n### Story\n\n" + "\n\n".join(lines)
    return parse(text, slug="2026-05-07").digest


def told(digest: Digest, **more: object) -> list[Finding]:
    fetcher = a_fetcher(**more)
    return list(check_links(digest, fetcher=fetcher))


@pytest.fixture
def web() -> Generator[WebServer]:
    with running_web() as server:
        yield server


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server of `site.test` shows, and what a client trusts."""
    made = make_certificates(tmp_path_factory.mktemp("tls"), host="site.test")
    return made.context, ssl.create_default_context(cafile=made.ca_file)


@pytest.fixture
def secure(trusted: tuple[ssl.SSLContext, ssl.SSLContext]) -> Generator[WebServer]:
    with running_web(trusted[0]) as server:
        yield server


# ---------------------------------------------------------------- answers


def test_a_link_that_answers_is_fine_and_asked_without_cookie_or_referer(
    secure: WebServer, trusted: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    secure.pages["/page?a=%C3%A9"] = Page()
    url = f"https://site.test:{secure.port}/page?a=é#part"

    assert told(a_digest(url, url), tls=trusted[1]) == []

    ((method, _, headers),) = secure.asked
    assert method == "HEAD"
    assert headers["Host"] == f"site.test:{secure.port}"
    assert headers["User-Agent"].startswith("newsletter/")
    assert not {"Cookie", "Referer", "Authorization"} & set(headers)


@pytest.mark.parametrize(
    ("page", "code"),
    [
        (Page(404), "dead-link"),
        (Page(410), "dead-link"),
        (Page(500), "link-not-reached"),
        (Page(503), "link-not-reached"),
        (Page(401), "link-guarded"),
        (Page(403), "link-guarded"),
        (Page(429), "link-guarded"),
        (Page(999), "link-guarded"),
    ],
)
def test_each_answer_has_its_finding_with_the_line(web: WebServer, page: Page, code: str) -> None:
    web.pages["/page"] = page

    (finding,) = told(a_digest(f"http://site.test:{web.port}/page"))

    assert (finding.code, finding.severity, finding.line) == (code, "warning", 9)
    assert finding.fix
    assert finding.why


@pytest.mark.parametrize("head", [403, 404, 405, 501])
def test_a_site_that_refuses_head_is_asked_for_a_little_of_the_page(
    web: WebServer, head: int
) -> None:
    web.pages["/page"] = Page(200, head=head)

    assert [f.code for f in told(a_digest(f"http://site.test:{web.port}/page"))] == []

    get = next(headers for method, _, headers in web.asked if method == "GET")
    assert get["Range"] == "bytes=0-4095"


def test_an_image_that_is_a_page_is_told(web: WebServer) -> None:
    web.pages["/cat"] = Page()
    digest = parse(
        f"# Title\n\n*By Ada • May 7, 2026*\n\n![A cat](http://site.test:{web.port}/cat)",
        slug="x",
    ).digest

    (finding,) = told(digest)

    assert (finding.code, finding.line) == ("image-not-an-image", 5)


def test_a_host_that_is_not_there_is_a_dead_link() -> None:
    def nowhere(_host: str, _port: int) -> Sequence[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    (finding,) = told(a_digest("https://no.such.test/"), lookup=nowhere)

    assert finding.code == "dead-link"
    assert "no host no.such.test" in finding.problem


def test_a_resolver_that_is_away_says_nothing_about_a_link() -> None:
    def away(_host: str, _port: int) -> Sequence[Address]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    (finding,) = told(a_digest("https://some.test/"), lookup=away)

    assert finding.code == "link-not-reached"


# ---------------------------------------------------------------- redirects


@pytest.mark.parametrize(
    ("status", "location", "said"),
    [
        (301, "/new", "moved for good"),
        (308, "http://other.test:{port}/new", "moved for good"),
        (302, "http://other.test:{port}/new", "another site"),
        (302, "/", "front page"),
    ],
)
def test_a_link_that_ends_elsewhere_is_told(
    web: WebServer, status: int, location: str, said: str
) -> None:
    web.pages.update(
        {"/old": Page(status, location.format(port=web.port)), "/new": Page(), "/": Page()}
    )

    (finding,) = told(a_digest(f"http://site.test:{web.port}/old"))

    assert finding.code == "moved-link"
    assert said in finding.problem


def test_the_new_address_of_what_moved_for_good_is_told_whole(web: WebServer) -> None:
    new = f"http://site.test:{web.port}/{'long/' * 40}new"
    web.pages.update({"/old": Page(301, new), new.partition(str(web.port))[2]: Page()})

    (finding,) = told(a_digest(f"http://site.test:{web.port}/old"))

    assert finding.fix == f"write {new}"


def test_a_passing_redirect_on_the_same_site_is_nothing(web: WebServer) -> None:
    web.pages.update({"/old": Page(302, "/new"), "/new": Page()})

    assert told(a_digest(f"http://site.test:{web.port}/old")) == []


def test_a_redirect_that_never_ends_is_dead(web: WebServer) -> None:
    web.pages["/round"] = Page(302, "/round")

    (finding,) = told(a_digest(f"http://site.test:{web.port}/round"))

    assert finding.code == "dead-link"
    assert len(web.asked) == 6


@pytest.mark.parametrize(
    "location", ["/new\x1b[2J\x07", "http://\x1b[2J.test/", "http://o\x1b.test/"]
)
@pytest.mark.parametrize("status", [301, 302])
def test_words_of_a_site_are_shown_without_what_a_terminal_obeys(
    web: WebServer, status: int, location: str
) -> None:
    web.pages["/old"] = Page(status, location)

    for finding in told(a_digest(f"http://site.test:{web.port}/old")):
        assert (finding.problem + finding.fix).isprintable()


# ---------------------------------------------------------------- TLS


def test_http_where_https_is_offered_is_told(
    web: WebServer, secure: WebServer, trusted: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    web.pages["/page"] = Page(301, f"https://site.test:{secure.port}/page")
    secure.pages["/page"] = Page()

    (finding,) = told(a_digest(f"http://site.test:{web.port}/page"), tls=trusted[1])

    assert finding.code == "insecure-link"


def test_a_certificate_that_no_browser_accepts_is_told(secure: WebServer) -> None:
    secure.pages["/page"] = Page()

    (finding,) = told(a_digest(f"https://site.test:{secure.port}/page"))

    assert finding.code == "link-tls"
    assert secure.asked == []


def test_a_certificate_of_another_name_is_told(
    secure: WebServer, trusted: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    (finding,) = told(a_digest(f"https://other.test:{secure.port}/"), tls=trusted[1])

    assert finding.code == "link-tls"


def test_what_speaks_no_tls_is_told(
    web: WebServer, trusted: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    (finding,) = told(a_digest(f"https://site.test:{web.port}/"), tls=trusted[1])

    assert finding.code == "link-tls"


# ---------------------------------------------------------------- private networks


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://127.1/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://0x7f000001/",
        "http://0/",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://[ff02::1]/",
        "https://user:secret@127.0.0.1/",
    ],
)
def test_by_default_no_private_address_is_asked_in_whatever_form(url: str) -> None:
    with pytest.raises(FetchFailed) as failed:
        Fetcher(seconds=10).fetch(url)

    assert failed.value.trouble is Trouble.PRIVATE


def test_a_link_into_a_private_network_is_an_error() -> None:
    (finding,) = check_links(a_digest("http://169.254.169.254/latest/meta-data/"))

    assert (finding.code, finding.severity, finding.line) == ("private-link", "error", 9)


def test_a_name_that_has_a_private_address_among_public_ones_is_refused(web: WebServer) -> None:
    def both(_host: str, _port: int) -> Sequence[Address]:
        return (ip_address("93.184.215.14"), LOOPBACK)

    (finding,) = told(a_digest(f"http://site.test:{web.port}/"), lookup=both, allowed=is_public)

    assert finding.code == "private-link"
    assert web.asked == []


def test_a_redirect_into_a_private_network_is_not_followed(web: WebServer) -> None:
    web.pages["/out"] = Page(302, f"http://inside.test:{web.port}/secret")
    private = ip_address("10.0.0.1")

    def lookup(host: str, _port: int) -> Sequence[Address]:
        return (private if host == "inside.test" else LOOPBACK,)

    (finding,) = told(
        a_digest(f"http://site.test:{web.port}/out"),
        lookup=lookup,
        allowed=lambda address: address != private,
    )

    assert finding.code == "private-link"
    assert "redirects to" in finding.problem
    assert [path for _, path, _ in web.asked] == ["/out"]


def test_a_name_is_asked_once_for_a_connection_so_that_it_cannot_change_in_between(
    web: WebServer,
) -> None:
    answers = [LOOPBACK, ip_address("10.0.0.1")]
    web.pages["/page"] = Page()

    def rebinding(_host: str, _port: int) -> Sequence[Address]:
        return (answers.pop(0),)

    assert a_fetcher(lookup=rebinding).fetch(f"http://site.test:{web.port}/page").status == 200
    assert answers == [ip_address("10.0.0.1")]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://site.test/", "gopher://x/"])
def test_a_redirect_to_what_is_no_web_is_not_followed(web: WebServer, location: str) -> None:
    web.pages["/out"] = Page(302, location)

    with pytest.raises(FetchFailed) as failed:
        a_fetcher().fetch(f"http://site.test:{web.port}/out")

    assert failed.value.trouble is Trouble.MALFORMED


@given(st.ip_addresses(v=4))
def test_an_address_is_judged_the_same_in_every_form_it_hides_in(address: Address) -> None:
    number = int(address)
    forms = [f"::ffff:{address}", f"64:ff9b::{number >> 16:x}:{number & 0xFFFF:x}"]
    forms.append(f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1")

    for form in forms:
        assert not is_public(ip_address(form)) or is_public(address)


# ---------------------------------------------------------------- bounds


@pytest.mark.slow
def test_a_site_that_drips_its_answer_is_left_in_time(web: WebServer) -> None:
    web.pages["/slow"] = Page(drip=True)
    began = time.monotonic()

    (finding,) = told(a_digest(f"http://site.test:{web.port}/slow"), seconds=1.0)

    assert finding.code == "link-not-reached"
    assert "in time" in finding.problem
    assert time.monotonic() - began < 30


@pytest.mark.slow
def test_all_together_end_in_time_even_when_name_resolution_hangs() -> None:
    def hangs(_host: str, _port: int) -> Sequence[Address]:
        time.sleep(60)
        return (LOOPBACK,)

    digest = a_digest(*(f"https://site{n}.test/" for n in range(10)))

    findings = check_links(digest, whole=1.0, fetcher=a_fetcher(lookup=hangs))

    assert [f.code for f in findings] == ["link-not-reached"] * 10


def test_one_host_is_asked_politely_one_link_at_a_time(web: WebServer) -> None:
    web.slowness = 0.05
    links = [f"http://site.test:{web.port}/{n}" for n in range(6)]
    web.pages.update({f"/{n}": Page() for n in range(6)})

    assert told(a_digest(*links)) == []
    assert web.most_at_once == 1


def test_more_links_than_allowed_are_counted_and_not_fetched(web: WebServer) -> None:
    web.pages.update({f"/{n}": Page() for n in range(5)})
    digest = a_digest(*(f"http://site.test:{web.port}/{n}" for n in range(5)))

    (finding,) = check_links(digest, most=2, fetcher=a_fetcher())

    assert finding.code == "links-not-fetched"
    assert "3 of 5" in finding.problem
    # Each is http: it is asked once more for https.
    assert {path for _, path, _ in web.asked} == {"/0", "/1"}


@given(st.one_of(st.text(max_size=60), st.text(max_size=40).map("http://{}".format)))
def test_no_address_breaks_the_fetcher(url: str) -> None:
    fetcher = a_fetcher(lookup=everywhere, allowed=lambda _: False)

    with pytest.raises(FetchFailed):
        fetcher.fetch(url)
