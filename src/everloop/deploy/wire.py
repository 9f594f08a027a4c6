"""Classes of protobuf messages, made from a table of their fields' names and numbers.

A message is a text such as ``"string name 1; repeated int64 shape 3"``: each field is
``[repeated|oneof|map] TYPE NAME NUMBER``, its type a scalar or another message of the table. Fields
may be left out of it: what stands in them is kept when a message is read and written again.
https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_SCALARS = {
    kind: getattr(FieldDescriptorProto, f"TYPE_{kind.upper()}")
    for kind in (
        "string", "bytes", "bool", "int32", "int64", "uint32", "uint64", "float", "double",
    )
}  # fmt: skip


def messages(package: str, table: Mapping[str, str]) -> dict[str, Any]:
    """The classes of a table, by name."""
    file = FileDescriptorProto(name=f"everloop/{package}.proto", package=package, syntax="proto3")
    for name, fields in table.items():
        message = file.message_type.add(name=name)
        for text in filter(None, fields.split("; ")):
            _field(package, message, text)
    pool = DescriptorPool()  # of its own: a client in this process may have its own file
    pool.Add(file)
    return {
        name: GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in table
    }


def _field(package: str, message: DescriptorProto, text: str) -> None:
    """Add one field to a message."""
    *how, kind, name, number = text.split()
    field = message.field.add(name=name, number=int(number))
    repeated = how in (["repeated"], ["map"])
    field.label = FieldDescriptorProto.LABEL_REPEATED if repeated else (
        FieldDescriptorProto.LABEL_OPTIONAL
    )  # fmt: skip
    if how == ["map"]:
        kind = f"{message.name}.{_entry(package, message, name, kind)}"
    if how == ["oneof"]:
        if not message.oneof_decl:
            message.oneof_decl.add(name="parameter_choice")
        field.oneof_index = 0
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{package}.{kind}"


def _entry(package: str, message: DescriptorProto, name: str, kind: str) -> str:
    """The message that one entry of a map is on the wire; returns its name."""
    entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
    entry.options.map_entry = True
    _field(package, entry, "string key 1")
    _field(package, entry, f"{kind} value 2")
    return str(entry.name)
