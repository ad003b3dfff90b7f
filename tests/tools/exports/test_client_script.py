"""The shell client against a small server on loopback that writes down what it was sent."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SCRIPT = Path(__file__).resolve().parents[3] / "tools/exports/client/dingpan.sh"
TOKEN = "lgatk_0123456789abcdef"
SHELLS = [name for name in ("sh", "dash", "bash", "busybox") if shutil.which(name)]
pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="the client needs curl")


@dataclass
class Desk:
    """Answers every request with one prepared answer."""

    status: int = 200
    body: bytes = b'{"success": true, "data": "\xe5\xb9\xb3"}'
    address: str = ""
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def answers(self, status: int, body: object) -> None:
        self.status, self.body = status, json.dumps(body).encode()


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            made.seen.append((self.command, self.path, dict(self.headers), self.rfile.read(size)))
            self.send_response(made.status)
            self.send_header("Content-Length", str(len(made.body)))
            if made.status == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(made.body)

        do_POST = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        made.address = f"http://127.0.0.1:{server.server_port}"
        yield made
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str


@pytest.fixture
def run(desk, tmp_path):
    def call(*arguments, shell="sh", script=SCRIPT, **changes):
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
        environment |= {"LG_AGENT_BASE_URL": desk.address, "LG_AGENT_TOKEN": TOKEN}
        environment = {name: value for name, value in (environment | changes).items() if value is not None}
        shell_words = ["busybox", "sh"] if shell == "busybox" else [shell]
        done = subprocess.run(
            [*shell_words, str(script), *arguments], env=environment, capture_output=True, check=False, timeout=60
        )
        return Run(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call


def dry(run, *arguments, **changes):
    done = run("exec", *arguments, LG_AGENT_DRY_RUN="1", **changes)
    assert (done.code, done.err) == (0, ""), done
    return json.loads(done.out)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_reads_the_script(shell):
    words = ["busybox", "sh"] if shell == "busybox" else [shell]
    checked = subprocess.run([*words, "-n", str(SCRIPT)], capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, b"")


@pytest.mark.parametrize("shell", SHELLS)
def test_exec_sends_one_body_and_prints_the_answer(run, desk, shell):
    done = run("exec", "market.quote.get", "symbol=000001", "limit:=5", shell=shell)
    assert (done.code, done.out, done.err) == (0, '{"success": true, "data": "平"}\n', "")
    ((method, path, headers, body),) = desk.seen
    assert (method, path) == ("POST", "/agent/skills/execute")
    assert json.loads(body) == {"skillId": "market.quote.get", "params": {"symbol": "000001", "limit": 5}}
    assert (headers["Authorization"], headers["Content-Type"]) == (f"Bearer {TOKEN}", "application/json")


def test_a_text_is_always_a_string_and_names_may_start_with_dashes(run):
    sent = dry(
        run, "a.b", "code=000135", "yes=true", "--env=dev", "-start_date=20260419", "empty=", "eq=a=b", "名=茅台"
    )
    assert sent["params"] == {
        "code": "000135",
        "yes": "true",
        "--env": "dev",
        "-start_date": "20260419",
        "empty": "",
        "eq": "a=b",
        "名": "茅台",
    }


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("1", 1), ("-0.5e+3", -500.0), ("true", True), ("null", None), ('"a\\u00e9\\n"', "aé\n"), ("[]", []),
        (' { "a" : [ 1 , {"b":"}]"} ] } ', {"a": [1, {"b": "}]"}]}), ("{}", {}), ('["平安"]', ["平安"]),
    ],
)  # fmt: skip
def test_raw_json_passes_unchanged(run, raw, value):
    assert dry(run, "a.b", f"x:={raw}")["params"] == {"x": value}


@pytest.mark.parametrize(
    "raw",
    ["", "abc", "01", "1.", ".5", "+1", "NaN", "True", "'a'", '"a', '"\\q"', '"\\u12g4"', '"a\nb"', "[1,]", "[1 2]",
     "{a:1}", '{"a"}', '{"a":}', '{"a":1,}', '{"a":1', "1,2", '1,"approvalId":"x"', "{}{}", "1 2"],
)  # fmt: skip
def test_what_is_no_json_is_not_sent(run, desk, raw):
    done = run("exec", "a.b", f"x:={raw}")
    assert (done.code, desk.seen) == (2, [])
    assert "x:= needs JSON" in done.err


def test_objects_are_joined_with_pairs(run):
    sent = dry(run, "a.b", "q=1", "--json", ' {"body": {"a": 1}} ', '{"pathParams":{"id":"7"}}', "--json", "{}")
    assert sent["params"] == {"q": "1", "body": {"a": 1}, "pathParams": {"id": "7"}}


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("--json",), ("exec",), ("exec", "a.b", "--json"), ("exec", "a.b", "--json", "[1]"),
        ("exec", "a.b", "--json", "{"), ("exec", "a.b", "word"), ("exec", "a.b", "=x"), ("exec", "a.b", ":=1"),
        ("describe",), ("describe", "a", "b"), ("approval",), ("approval", "../x"), ("list", "--all"), ("nonsense",),
    ],
)  # fmt: skip
def test_wrong_usage_is_told_and_nothing_is_sent(run, desk, arguments):
    done = run(*arguments)
    assert (done.code, done.out, desk.seen) == (2, "", [])
    assert done.err


def test_help(run):
    done = run("--help")
    assert done.code == 0
    assert done.out.startswith("usage: dingpan.sh list")


@pytest.mark.parametrize(
    "changes",
    [
        {"LG_AGENT_TOKEN": None}, {"LG_AGENT_TOKEN": 'x"\nurl = "file:///etc/passwd'}, {"LG_AGENT_BASE_URL": None},
        {"LG_AGENT_BASE_URL": "file:///etc"}, {"LG_AGENT_BASE_URL": "-o/tmp/x"},
    ],
)  # fmt: skip
def test_a_wrong_environment_is_told(run, desk, changes):
    done = run("list", **changes)
    assert (done.code, desk.seen) == (2, [])
    assert "LG_AGENT_" in done.err


def test_list_describe_and_approval(run, desk):
    run("list")
    run("list", "--granted", "持仓", "& more")
    run("describe", "market.quote.get")
    run("approval", "apr_01")
    paths = [urlsplit(path) for _, path, _, _ in desk.seen]
    assert [method for method, *_ in desk.seen] == ["GET"] * 4
    assert [path.path for path in paths] == ["/agent/skills"] * 3 + ["/agent/approvals/apr_01"]
    assert [parse_qs(path.query) for path in paths] == [
        {"granted": ["false"]},
        {"granted": ["true"], "q": ["持仓 & more"]},
        {"skillId": ["market.quote.get"]},
        {},
    ]


def approval(**changes):
    held = {"id": "apr_1", "state": "pending", "url": "/approvals/apr_1", "statusUrl": "/agent/approvals/apr_1"}
    body = {
        "success": False,
        "code": "approval_required",
        "message": 'says "approval":{"url":"http://evil.example"}',
        "approval": held,
        "nextAction": {
            "url": "/agent/skills/execute",
            "body": {"params": {"approval": {"url": "http://evil.example"}}},
        },
    }
    return body | changes


@pytest.mark.parametrize("code", ["approval_required", "approval_pending"])
def test_an_approval_prints_the_address_and_exits_three(run, desk, code):
    desk.answers(409, approval(code=code))
    done = run("exec", "a.b")
    assert done.code == 3
    assert json.loads(done.out)["approval"]["id"] == "apr_1"
    assert f"a person must approve this call in the browser: {desk.address}/approvals/apr_1\n" in done.err
    assert "evil" not in done.err


def test_an_absolute_address_is_printed_as_it_is(run, desk):
    held = {"id": "apr_1", "url": "https://desk.example/approvals/apr_1", "state": "pending"}
    desk.body = json.dumps(approval(approval=held), indent=2).encode()
    desk.status = 409
    done = run("exec", "a.b")
    assert (done.code, "browser: https://desk.example/approvals/apr_1\n" in done.err) == (3, True)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (409, "approval_expired"),
        (409, "version_conflict"),
        (403, "missing_scope"),
        (400, "validation_failed"),
        (500, "x"),
    ],
)
def test_refusals_exit_one_with_the_body(run, desk, status, code):
    desk.answers(status, {"success": False, "code": code})
    done = run("exec", "a.b")
    assert (done.code, json.loads(done.out)["code"]) == (1, code)
    assert done.err == f"dingpan.sh: the desk answered HTTP {status}\n"


def test_a_long_job_is_done(run, desk):
    desk.status = 202
    assert run("exec", "a.b").code == 0


def test_redirects_are_not_followed(run, desk):
    desk.status = 302
    assert run("list").code == 1
    assert len(desk.seen) == 1


def test_no_desk_at_all(run):
    done = run("list", LG_AGENT_BASE_URL="http://127.0.0.1:1")
    assert (done.code, done.out) == (1, "")
    assert "curl" in done.err


def test_the_token_is_on_no_command_line(run, desk, tmp_path):
    """A curl that writes down its own arguments and configuration stands in front of the real one."""
    shadow = tmp_path / "bin"
    shadow.mkdir()
    (shadow / "curl").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >"{tmp_path}/arguments"\ncat >"{tmp_path}/config"\n')
    (shadow / "curl").chmod(0o755)
    run("exec", "a.b", "x=1", PATH=f"{shadow}:/usr/bin:/bin")
    arguments = (tmp_path / "arguments").read_text()
    assert TOKEN not in arguments
    assert arguments.startswith("-q\n-K\n-\n")
    assert (tmp_path / "config").read_text() == f'header = "Authorization: Bearer {TOKEN}"\n'


def test_a_dry_run_prints_what_would_be_sent_and_needs_no_desk(run, desk):
    done = run("exec", "a.b", "x=1", LG_AGENT_DRY_RUN="1", LG_AGENT_TOKEN=None, LG_AGENT_BASE_URL=None)
    assert (done.code, done.out, desk.seen) == (0, '{"skillId":"a.b","params":{"x":"1"}}\n', [])


def test_nothing_is_left_behind(run, tmp_path):
    run("exec", "a.b", "x=1")
    run("exec", "a.b", "x:=bad")
    assert list(tmp_path.iterdir()) == []


def test_a_curlrc_of_the_user_has_no_say(run, desk, tmp_path):
    (tmp_path / ".curlrc").write_text('user-agent = "from curlrc"\n')
    run("list")
    assert desk.seen[0][2]["User-Agent"] != "from curlrc"


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=TEXT.filter(lambda text: text and "=" not in text and not text.endswith(":") and text[0] != "{"), text=TEXT)
def test_any_text_arrives_as_it_was(run, name, text):
    assert dry(run, "a.b", f"{name}={text}")["params"] == {name: text}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, is_ascii=st.booleans(), indent=st.sampled_from([None, 1]))
def test_any_json_arrives_as_it_was(run, value, is_ascii, indent):
    assert dry(run, "a.b", f"x:={json.dumps(value, ensure_ascii=is_ascii, indent=indent)}")["params"] == {"x": value}
