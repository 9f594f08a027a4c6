"""What the handlers of pages share: a template's answer, and the words of a form."""

from __future__ import annotations

from typing import TypeVar, get_args, get_type_hints
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import Response

from everloop.console.render import render
from everloop.errors import InvalidInput, invalid
from everloop.server.problems import Problem

HTML = "text/html; charset=utf-8"
W = TypeVar("W", bound=msgspec.Struct)


def shown(template: str, page: object, error: InvalidInput | None = None) -> Response:
    """The answer that shows ``page`` as the template does; 422 with an error."""
    text = render(template, page=page, error=error)
    return Response(text, 200 if error is None else 422, media_type=HTML)


def word_of(body: bytes, kind: type[W]) -> W:
    """What a form says."""
    try:
        fields = parse_qsl(body.decode("ascii"), True, True, errors="strict", max_num_fields=10)
        return msgspec.convert(dict(fields), kind)
    except (ValueError, msgspec.ValidationError) as error:
        dos = ", ".join(get_args(get_type_hints(kind).get("do")))
        names = ", ".join(kind.__struct_fields__)
        expected = f"a form with comment and do, one of {dos}" if dos else f"a form with {names}"
        raise invalid("body", f"<{len(body)} bytes>", f"{expected} ({error})") from None


def fields_in(body: bytes) -> dict[str, str]:
    """The fields of a form whose names are not ours. Raises InvalidInput for what is no form."""
    try:
        return dict(parse_qsl(body.decode("ascii"), True, errors="strict", max_num_fields=1000))
    except ValueError as error:
        raise invalid("body", f"<{len(body)} bytes>", f"a form ({error})") from None


def whole(field: str, text: str) -> int:
    """A field of a form as a whole number. Raises :class:`~everloop.errors.InvalidInput`."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid(field, text, "a whole number")
    return int(text)


def error_page(problem: Problem) -> Response:
    """An error for people."""
    text = render("error.html", page=problem)
    return Response(text, problem.status, headers=problem.headers, media_type=HTML)
