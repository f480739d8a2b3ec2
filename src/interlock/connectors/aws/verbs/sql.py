"""SQL inside calls (Athena, RDS Data API, Redshift Data API): whether a text does no more than read.

Only the first word of a text without a second statement is looked at, comments left out. The dialects differ too much to say more
here; what is not plainly a read is taken for a write.
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
