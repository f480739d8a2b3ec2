"""SQL inside calls (Athena, RDS Data API, Redshift Data API): whether a text does no more than read, as far as its words tell, and
whether dialects may read it differently.

Statements are read by another connector where one is there (`classify.statements`); the reviewed tables do without. They look at
the first word of a text without a second statement, comments left out. The dialects differ too much to say more here; what is
not plainly a read is taken for a write.
"""

import re

_PLAIN = re.compile(r"select|with|show|describe|desc|explain|values|table", re.IGNORECASE)
_SPACE = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_DOUBTFUL = re.compile(
    r"\b(?:into|insert|update|delete|merge|drop|truncate|alter|create|grant|revoke|unload|copy|call|execute|vacuum"
    r"|analyze|msck|optimize|using|function|set|nextval|setval|lo_\w+|dblink\w*|aws_\w+|pg_\w+|lambda_\w*)\b",
    re.IGNORECASE,
)
"""Words that turn a statement that begins as a read into something else (SELECT INTO, WITH … DELETE, EXPLAIN ANALYZE UPDATE,
functions that act), wherever they stand: a text literal with such a word is taken for a write as well."""


def writes(text: str) -> bool:
    """Whether a text is, or may be, more than one plain reading statement."""
    start = _SPACE.match(text)
    body = text[start.end() if start else 0 :].rstrip().rstrip(";").rstrip()
    first = _PLAIN.match(body)
    # What MySQL and Aurora run inside /*! … */ is no comment.
    if first is None or ";" in body or "/*!" in text or "/*+" in text:
        return True
    return bool(_DOUBTFUL.search(body)) or body[first.end() : first.end() + 1].isalnum()


_DIFFERS = re.compile(
    r"[\\`#\x00-\x08\x0b\x0c\x0e-\x1f]|\$\w*\$|/\*[!+]|/\*(?:(?!\*/).)*?/\*|--(?![\s]|\Z)", re.DOTALL
)
"""Where dialects end strings, names and comments at different places: escapes by backslash (MySQL, Redshift), names in backticks,
comments from `#`, or from `--` only before a space (MySQL manual, "Comments"), comments that run or nest, dollar quotes."""


def differs(text: str) -> bool:
    """Whether another dialect may see other statements in a text than PostgreSQL's parser does."""
    return bool(_DIFFERS.search(text))


_TOKEN = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|::|(:[A-Za-z_]\w*|\?)|[^'\"/:?-]+|.", re.DOTALL
)


def numbered(text: str) -> str:
    """A text with its parameters (`:name`, `?`) written as PostgreSQL's (`$1`)."""
    names: dict[str, int] = {}

    def one(found: re.Match[str]) -> str:
        if not found[1]:
            return found[0]
        name = found[1] if found[1] != "?" else f"?{len(names)}"
        return f"${names.setdefault(name, len(names) + 1)}"

    return _TOKEN.sub(one, text)


_NAMES = re.compile(r"\s*(?:describe|desc|show)\s+[\w\s.\"`%*']+;?\s*", re.IGNORECASE)


def describes(text: str) -> bool:
    """Whether a text is one DESCRIBE or SHOW of Athena's (Athena user guide, "DDL statements"), with nothing but names in it."""
    return _NAMES.fullmatch(text) is not None
