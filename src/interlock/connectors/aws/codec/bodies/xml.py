"""XML bodies to parameters, by the model ("AWS restXml protocol").

Only elements, attributes and text are read. A document type, an entity of the document's own, a comment, a processing instruction
or a CDATA section has no business in a request and is refused before anything of it is expanded (OWASP, "XML External Entity
Prevention").
"""

from collections.abc import Iterable, Mapping
from typing import Any
from xml.parsers import expat

from interlock.connectors.aws.codec.bodies import scalars
from interlock.connectors.aws.codec.model import Member, Model, Shape
from interlock.connectors.aws.codec.request import Unclear, shown

DEEPEST = 100
MOST = 100_000
_SPACE = " \t\r\n"


class Element:
    """One element: its children in order, and the text between them."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name, self.attributes = name, attributes
        self.children: list[Element] = []
        self.text = ""

    def plain(self) -> str:
        """The text of an element that has nothing else."""
        if self.children or self.own():
            raise Unclear("an XML element has parts where the model has a simple value")
        return self.text

    def parts(self) -> "list[Element]":
        """The children of an element that has no text."""
        if self.text.strip(_SPACE):
            raise Unclear("an XML element has text where the model has a structure")
        return self.children

    def own(self) -> dict[str, str]:
        """Its attributes, without namespace declarations."""
        return {
            name: value for name, value in self.attributes.items() if name != "xmlns" and name[:6] != "xmlns:"
        }


class _Builder:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._pieces: list[list[str]] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= DEEPEST or self._count > MOST:
            raise Unclear("the body is nested too deeply or has too many elements")
        if ":" in name:
            raise Unclear("an XML element has a prefix")
        made = Element(name, attributes)
        if self._open:
            self._open[-1].children.append(made)
        else:
            self.root = made
        self._open.append(made)
        self._pieces.append([])

    def end(self, _: str) -> None:
        self._open.pop().text = "".join(self._pieces.pop())

    def text(self, data: str) -> None:
        self._pieces[-1].append(data)


def _refused(*_: Any) -> None:
    raise Unclear("the XML has a document type, a comment, an instruction or a CDATA section")


def _declared(_: str, encoding: str | None, __: int) -> None:
    # Read as UTF-8 here and as something else there, the same bytes would be two texts.
    if encoding is not None and encoding.lower() != "utf-8":
        raise Unclear("the XML has an encoding other than UTF-8")


def read_xml(data: bytes) -> Element:
    """The root element of a document; Unclear when it isn't exactly one, in UTF-8."""
    if b"\0" in data:
        raise Unclear("the body is not XML in UTF-8")
    builder = _Builder()
    parser = expat.ParserCreate("UTF-8")
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _refused
    parser.CommentHandler = parser.ProcessingInstructionHandler = _refused
    parser.StartCdataSectionHandler = _refused
    parser.XmlDeclHandler = _declared
    try:
        parser.Parse(data, True)
    except expat.ExpatError:
        raise Unclear("the body is not XML") from None
    assert builder.root is not None
    return builder.root


class Xml:
    """Reads elements of one service."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def root(self, ref: Member, members: Iterable[Member], data: bytes) -> dict[str, Any]:
        """The members of the structure that `data` holds; its root element must be named as the model says."""
        element = read_xml(data)
        if ref.wire and element.name != ref.wire:
            raise Unclear(f"the root element is not {shown(ref.wire)}")
        return self._members(self._model.shape(ref), members, element)

    def _members(self, shape: Shape, members: Iterable[Member], element: Element) -> dict[str, Any]:
        elements, attributes = self._names(shape, members)
        found = self._attributes(attributes, element)
        for name, group in _grouped(element.parts()).items():
            if name not in elements:
                raise Unclear(f"the model knows no element {shown(name)} there")
            found[elements[name].name] = self._group(elements[name], group)
        if shape.union and len(found) != 1:
            raise Unclear("a union has not exactly one member")
        return found

    def _names(
        self, shape: Shape, members: Iterable[Member]
    ) -> tuple[Mapping[str, Member], Mapping[str, Member]]:
        key = ("xml", id(shape), members is shape.members)
        names: tuple[Mapping[str, Member], Mapping[str, Member]] | None = self._model.kept.get(key)
        if names is None:
            elements = {each.label: each for each in members if not each.attribute}
            attributes = {each.label: each for each in members if each.attribute}
            names = self._model.kept[key] = (elements, attributes)
        return names

    def _attributes(self, known: Mapping[str, Member], element: Element) -> dict[str, Any]:
        found = {}
        for name, value in element.own().items():
            if name not in known:
                raise Unclear("an XML element has an attribute that the model doesn't know")
            found[known[name].name] = scalars.scalar(self._model.shape(known[name]).type, value, "iso8601")
        return found

    def _group(self, ref: Member, group: list[Element]) -> Any:
        shape = self._model.shape(ref)
        if ref.flattened and shape.type == "list":
            assert shape.item is not None
            return [self._value(shape.item, each) for each in group]
        if ref.flattened and shape.type == "map":
            return self._entries(shape, group)
        if len(group) != 1:
            raise Unclear(f"the element {shown(group[0].name)} stands twice")
        return self._value(ref, group[0])

    def _value(self, ref: Member, element: Element) -> Any:
        shape = self._model.shape(ref)
        if shape.type == "structure":
            return self._members(shape, shape.members, element)
        if shape.type in ("list", "map"):
            return self._many(shape, element)
        return scalars.scalar(shape.type, element.plain(), ref.timestamp or "iso8601")

    def _many(self, shape: Shape, element: Element) -> Any:
        if element.own():
            raise Unclear("an XML element has an attribute that the model doesn't know")
        if shape.type == "map":
            return self._entries(shape, _named(element, "entry"))
        assert shape.item is not None
        item = shape.item
        return [self._value(item, each) for each in _named(element, item.wire or "member")]

    def _entries(self, shape: Shape, entries: list[Element]) -> dict[str, Any]:
        assert shape.key is not None
        assert shape.value is not None
        found: dict[str, Any] = {}
        for entry in entries:
            key = self._one(shape.key, "key", entry)
            if key in found:
                raise Unclear("a key stands twice in a map")
            found[key] = self._one(shape.value, "value", entry)
            if len(entry.children) != 2:
                raise Unclear("an entry of a map has more than a key and a value")
        return found

    def _one(self, ref: Member, name: str, entry: Element) -> Any:
        named = [each for each in entry.parts() if each.name == (ref.wire or name)]
        if len(named) != 1:
            raise Unclear("an entry of a map has not one key and one value")
        return self._value(ref, named[0])


def _grouped(elements: list[Element]) -> dict[str, list[Element]]:
    groups: dict[str, list[Element]] = {}
    for each in elements:
        groups.setdefault(each.name, []).append(each)
    return groups


def _named(element: Element, name: str) -> list[Element]:
    """The children, all of which must have the name."""
    for each in element.parts():
        if each.name != name:
            raise Unclear(f"the model knows no element {shown(each.name)} there")
    return element.children
