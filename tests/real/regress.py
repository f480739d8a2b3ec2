"""PostgreSQL's own regression scripts, one statement at a time, as psql would send them.

They come with the source distribution of pglast (libpg_query's tests), which `fetch` downloads by pip; they are not part of this
repository. psql's backslash commands are followed as far as they make statements: variables, data after COPY, `\\;`, `\\gset`;
what only shows something is left out, both branches of an `\\if` are taken.
"""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(os.environ.get("INTERLOCK_REGRESS", "") or Path(__file__).parents[2] / ".cache" / "regress")
"""Where the scripts are kept. `INTERLOCK_REGRESS` names another folder, which may hold other scripts of the same form."""

_FIRST = """
test_setup boolean char name varchar text int2 int4 int8 oid float4 float8 bit numeric txid uuid enum money
rangetypes pg_lsn strings point lseg line box path polygon circle date time timetz timestamp timestamptz
interval inet macaddr multirangetypes copy insert insert_conflict create_misc create_operator
create_procedure create_table create_type create_schema create_index create_view create_aggregate
create_function_sql create_cast constraints triggers inherit
"""
FIRST = tuple(_FIRST.split())
"""Others build on what these make; the rest follows by name (`parallel_schedule` of the server's sources is not in the archive)."""

_TOKEN = re.compile(
    r"""(?P<string>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*")
      |(?P<dollar>\$(?P<tag>(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?)\$.*?\$(?P=tag)\$)
      |(?P<comment>--[^\n]*)
      |(?P<block>/\*)
      |(?P<word>[A-Za-z_\u0080-\uffff][\w$]*)
      |(?P<joined>\\;)
      |(?P<meta>\\[^\n]*)
      |(?P<variable>(?<![:\w]):(?:(?P<plain>\w+)|'(?P<quoted>\w+)'|"(?P<ident>\w+)"))
      |(?P<other>[^A-Za-z_$'"\\/:\u0080-\uffff-]|.)""",
    re.VERBOSE | re.DOTALL,
)
_ENDS = re.compile(r"\\(g|gset|gx|gdesc|gexec|crosstabview|watch|bind)\b")
_COPY_IN = re.compile(r"copy\b.*\bfrom\s+stdin\b", re.IGNORECASE | re.DOTALL)
_NEST = re.compile(r"/\*|\*/")


@dataclass(frozen=True, slots=True)
class Statement:
    """One message of a script. `data` is what follows a COPY FROM STDIN. An empty `text` stands for `\\c`: a new session."""

    script: str
    line: int
    text: str
    data: bytes = b""


def fetch(folder: Path = FOLDER) -> Path:
    """The folder with the scripts, downloaded when it is empty. Raises CalledProcessError when they cannot be had."""
    if any(folder.glob("*.sql")):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as found:
        wanted = f"pglast=={version('pglast')}"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pglast"]
        subprocess.run([*command, "--dest", found, wanted], check=True, stdin=subprocess.DEVNULL)
        (archive,) = Path(found).glob("pglast-*.tar.gz")
        with tarfile.open(archive) as tar:
            for member in tar:
                path = Path(member.name)
                if path.parent.name == "postgres_regress" and path.suffix == ".sql":
                    body = tar.extractfile(member)
                    assert body is not None
                    (folder / path.name).write_bytes(body.read())
    return folder


def names(folder: Path) -> list[str]:
    """The scripts' names, in an order in which most find what they need."""
    found = {path.stem for path in folder.glob("*.sql")}
    return [name for name in FIRST if name in found] + sorted(found - set(FIRST))


def statements(folder: Path, name: str, variables: Mapping[str, str] | None = None) -> Iterator[Statement]:
    """The statements of one script. `variables` are psql's, such as `abs_builddir` (a folder the server may write to)."""
    text = (folder / f"{name}.sql").read_text("utf-8", errors="surrogateescape")
    yield from split(text, name, variables)


def split(text: str, name: str = "", variables: Mapping[str, str] | None = None) -> Iterator[Statement]:
    """The statements of a text that psql would read."""
    reader = _Reader(text, name, dict(variables or {}))
    yield from reader.read()


class _Reader:
    def __init__(self, text: str, name: str, variables: dict[str, str]) -> None:
        self.text, self.name, self.variables = text, name, variables
        self.at = 0
        self.start = 0
        self.parts: list[str] = []
        self.parens = 0
        self.atomic = 0
        self.words: list[str] = []

    def read(self) -> Iterator[Statement]:
        while self.at < len(self.text):
            token = _TOKEN.match(self.text, self.at)
            assert token is not None
            begin, self.at = self.at, token.end()
            kind, piece = token.lastgroup, token.group()
            if not self.words:
                self.start = begin
            match kind:
                case "comment":
                    self.parts.append(piece if self.words else "")
                case "block":
                    self.parts.append(self._block(begin))
                case "meta":
                    yield from self._meta(piece)
                case "joined":
                    self.parts.append(";")
                case "plain" | "quoted" | "ident" | "variable":
                    self.parts.append(self._value(token))
                case "word":
                    self._word(piece.lower())
                    self.parts.append(piece)
                case _:
                    self.parens += {"(": 1, ")": -1}.get(piece, 0)
                    if piece == ";" and self.parens <= 0 and not self.atomic:
                        yield from self._end()
                    else:
                        self.parts.append(piece)
        yield from self._end()

    def _word(self, word: str) -> None:
        """psql counts BEGIN and CASE … END within CREATE FUNCTION, so that the bodies of SQL functions stay whole."""
        if self.words[:1] == ["create"] and not self.parens:
            if (word == "atomic" and self.words[-1] == "begin") or (self.atomic and word == "case"):
                self.atomic += 1
            elif word == "end" and self.atomic:
                self.atomic -= 1
        self.words.append(word)

    def _block(self, begin: int) -> str:
        depth = 1
        while depth and (found := _NEST.search(self.text, self.at)):
            depth += 1 if found.group() == "/*" else -1
            self.at = found.end()
        if depth:
            self.at = len(self.text)
        return self.text[begin : self.at]

    def _value(self, token: re.Match[str]) -> str:
        name = token.group("plain") or token.group("quoted") or token.group("ident")
        value = self.variables.get(name)
        if value is None:
            return token.group()
        if token.group("quoted"):
            return "'" + value.replace("'", "''") + "'"
        return '"' + value.replace('"', '""') + '"' if token.group("ident") else value

    def _meta(self, piece: str) -> Iterator[Statement]:
        if _ENDS.match(piece) and self.words:
            if piece.startswith(("\\bind", "\\parse")):
                self._drop()  # parameters: another message than a query
            yield from self._end()
            return
        word, _, rest = piece.partition(" ")
        if word == "\\set":
            name, _, values = rest.strip().partition(" ")
            self.variables[name] = "".join(
                self._expanded(v) for v in re.findall(r"'(?:[^']|'')*'|\S+", values)
            )
        elif word == "\\getenv":
            name, _, source = rest.strip().partition(" ")
            self.variables.setdefault(name, self.variables.get(source.lower().removeprefix("pg_"), ""))
        elif word in ("\\c", "\\connect"):
            self._drop()
            yield Statement(self.name, self._line(), "")

    def _expanded(self, word: str) -> str:
        if word.startswith("'"):
            return word[1:-1].replace("''", "'")
        bare = word.lstrip(":").strip("'\"")
        return self.variables.get(bare, "") if word.startswith(":") else word

    def _end(self) -> Iterator[Statement]:
        text, line = "".join(self.parts).strip(), self._line()
        empty = not self.words
        self._drop()
        if not empty:
            yield Statement(self.name, line, text, self._data() if _COPY_IN.search(text) else b"")

    def _drop(self) -> None:
        self.parts, self.words, self.parens, self.atomic = [], [], 0, 0

    def _data(self) -> bytes:
        """The lines up to `\\.`."""
        begin = self.text.find("\n", self.at) + 1
        end = re.compile(r"^\\\.[ \t]*(\n|\Z)", re.MULTILINE).search(self.text, begin)
        if not begin or end is None:
            return b""
        self.at = end.end()
        return self.text[begin : end.start()].encode("utf-8", "surrogateescape")

    def _line(self) -> int:
        return self.text.count("\n", 0, self.start) + 1
