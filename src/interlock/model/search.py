"""What a change is found by: its words, and what people type."""

import unicodedata

from interlock.model.change import Change

MOST_LETTERS = 8_000
"""Most letters of a change's words. What names more resources than fit is found by the first ones, and by everything else."""
MOST_WORDS = 5
"""Most words that are looked for at once."""


def folded(text: str) -> str:
    """A text as it is compared: capitals are small, characters that look the same are the same (Unicode Standard Annex 15, form
    KC), and what cannot be printed is a space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = text.lower()
    return text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)


def typed_words(text: str) -> tuple[str, ...]:
    """The words of what somebody typed."""
    return tuple(folded(text).split()[:MOST_WORDS])


def words_of(change: Change) -> str:
    """Everything that a change is found by, folded, each once: who and where, its reason and note, verbs, and what it touches.
    Nothing of the record's own form is among it."""
    found: dict[str, None] = dict.fromkeys(
        (
            change.id,
            change.agent,
            change.owner,
            change.target,
            change.environment,
            change.requested_by,
            change.session,
            change.reverts,
            change.reverted_by,
            change.replaces,
            change.reason,
            change.note,
        )
    )
    for operation in change.operations:
        found[operation.verb] = None
        for resource in operation.resources:
            found |= {resource.kind: None, resource.name: None, resource.group: None}
    for effect in change.measurement.effects:
        resource = effect.resource
        found |= {effect.change.value: None, resource.kind: None, resource.name: None, resource.group: None}
    return folded(" ".join(found)[:MOST_LETTERS])[:MOST_LETTERS]


def found_by(change: Change, words: tuple[str, ...]) -> bool:
    """Whether every one of the words is part of what the change is found by."""
    text = words_of(change)
    return all(folded(word) in text for word in words)
