"""Writes the reference pages from the code, so that they cannot drift from it.

Run: python docs/build.py          rewrite docs/reference/
     python docs/build.py --check  exit 1 when a page is out of date or something is undocumented
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

import everloop
from everloop.cli import VERBS, command_of
from everloop.loop.declaration import SECTIONS
from everloop.server.routes import ROUTES
from everloop.settings import PREFIX, Settings

FOLDER = Path(__file__).parent / "reference"
NESTED = {
    "data.forecast": "ForecastSpec",
    "train.search": "SearchSpec",
    "train.validation": "ValidationSpec",
    "train.prepare": "PrepareSpec",
    "deploy.rollout": "RolloutSpec",
    "deploy.serving": "ServingSpec",
    "monitor.performance": "PerformanceSpec",
    "monitor.log": "LogSpec",
    "monitor.health": "HealthSpec",
    "monitor.alerts": "RuleSpec",
}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every verb, and the verbs of a group."""
    for verb in VERBS:
        command = command_of(verb)
        yield verb, command
        if isinstance(command, click.Group):
            yield from ((f"{verb} {name}", c) for name, c in command.commands.items())


def cli_page() -> str:
    lines = [
        "# Command line",
        "",
        "Every verb takes `--help`. Exit codes: 0 done, 1 a step or a check failed, 2 bad input.",
        "",
    ]
    for name, command in commands():
        context = click.Context(command, info_name=f"everloop {name}")
        lines += [
            f"## everloop {name}",
            "",
            inspect.cleandoc(command.help or ""),
            "",
            "```",
            command.get_usage(context).removeprefix("Usage: "),
            "```",
            "",
        ]
        options = [p for p in command.params if isinstance(p, click.Option)]
        if options:
            lines += ["| option | meaning |", "| --- | --- |"]
            lines += [f"| {_option(option)} | {_meaning(option, context)} |" for option in options]
            lines.append("")
    return "\n".join(lines)


def _option(option: click.Option) -> str:
    name = ", ".join(f"`{o}`" for o in option.opts)
    return (
        name
        if option.is_flag
        else f"{name} {option.make_metavar(click.Context(click.Command('x')))}"
    )


def _meaning(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    return (record[1] if record else "").replace("|", "\\|").replace("\n", " ")


def loop_file_page() -> str:
    lines = [
        "# everloop.toml",
        "",
        "Each section, its keys, their defaults. An unknown key or a "
        "bad value is refused with the nearest valid one.",
        "",
    ]
    for section, cls in SECTIONS.items():
        lines += _section(section, cls)
        for path, name in NESTED.items():
            if path.startswith(section + "."):
                lines += _section(path, getattr(inspect.getmodule(cls), name))
    lines += ["## [settings]", "", "See [settings](settings.md)."]
    return "\n".join(lines)


def _section(section: str, cls: type[msgspec.Struct]) -> list[str]:
    lines = [
        f"## [{section}]",
        "",
        inspect.cleandoc(cls.__doc__ or ""),
        "",
        "| key | type | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    said = dict(field_comments(cls))
    for field in msgspec.structs.fields(cls):
        default = "required" if field.required else f"`{_default(field)}`"
        kind = _kind(str(cls.__annotations__[field.name]))
        lines.append(f"| `{field.name}` | {kind} | {default} | {said.get(field.name, '')} |")
    return [*lines, ""]


def _kind(annotation: str) -> str:
    """A type as people who write TOML name it."""
    words = {
        "tuple[str, ...]": "list of text",
        "tuple[float, ...]": "list of numbers",
        "str": "text",
        "int": "whole number",
        "float": "number",
        "bool": "true or false",
    }
    parts = [part for part in annotation.split(" | ") if part != "None"]
    if parts[0].startswith("tuple[RuleSpec"):
        return "list of tables"
    if parts[0].startswith("tuple[Literal["):
        return "list of " + parts[0].removeprefix("tuple[Literal[").partition("]")[0]
    if parts[0].startswith("Literal"):
        return "one of " + parts[0].removeprefix("Literal[").rstrip("]")
    return " or ".join(words.get(part, "table") for part in parts)


def _default(field: msgspec.structs.FieldInfo) -> str:
    made = field.default_factory is not msgspec.NODEFAULT
    value = field.default_factory() if made else field.default
    if isinstance(value, msgspec.Struct):
        return "see below"
    return msgspec.json.encode(value).decode() if value is not None else "–"


def field_comments(cls: type[msgspec.Struct]) -> Iterator[tuple[str, str]]:
    """The comment behind each field in the source, or in the lines above it."""
    lines, _ = inspect.getsourcelines(cls)
    tree = ast.parse(textwrap.dedent("".join(lines)))
    assert isinstance(tree.body[0], ast.ClassDef)
    for node in tree.body[0].body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            comment = lines[(node.end_lineno or 1) - 1].partition("  # ")[2].strip()
            yield node.target.id, (comment or _above(lines, node.lineno - 2)).replace("|", "\\|")


def _above(lines: list[str], last: int) -> str:
    """The lines of comment that end with line ``last``, as one."""
    said: list[str] = []
    while lines[last].strip().startswith("# "):
        said.insert(0, lines[last].strip().removeprefix("# "))
        last -= 1
    return " ".join(said)


def settings_page() -> str:
    lines = [
        "# Settings",
        "",
        "Each setting has the same name in `[settings]` of `everloop.toml` "
        "and, as shown, in the environment; the environment wins.",
        "",
        "| setting | environment | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for name, meaning in setting_comments().items():
        default = getattr(Settings(), name)
        lines.append(f"| `{name}` | `{PREFIX}{name.upper()}` | `{default!r}` | {meaning} |")
    return "\n".join([*lines, ""])


def setting_comments() -> dict[str, str]:
    """``name : meaning`` of the class's docstring."""
    text = inspect.cleandoc(Settings.__doc__ or "").partition("----------\n")[2]
    joined = re.sub(r"\n\s+", " ", text)
    return dict(re.findall(r"^(\w+) : (.+)$", joined, re.MULTILINE))


def python_page() -> str:
    """Everything that ``import everloop`` offers."""
    lines = [
        "# Python",
        "",
        "`import everloop as el` offers these names; each is imported when it is first used.",
        "",
    ]
    for name in sorted(everloop.__all__):
        lines += _described(f"el.{name}", getattr(everloop, name), "##")
    return "\n".join(lines)


def _described(name: str, thing: object, level: str) -> list[str]:
    """A heading, the signature, the docstring; of a class its public methods too."""
    doc = inspect.cleandoc(thing.__doc__ or "").replace("  # doctest: +SKIP", "")
    if inspect.ismodule(thing):
        members = [(f"{name}.{n}", getattr(thing, n)) for n in getattr(thing, "__all__", [])]
        signature: list[str] = []
    else:
        members = list(_methods(name, thing)) if inspect.isclass(thing) else []
        signature = ["```text", f"{name}{_signature(thing)}", "```", ""]
    lines = [f"{level} {name}", "", *signature, doc, ""]
    for member, value in members:
        lines += _described(member, value, level + "#")
    return lines


def _methods(name: str, cls: type) -> Iterator[tuple[str, object]]:
    if issubclass(cls, (Exception, msgspec.Struct)):
        return
    ours = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == "everloop"]
    for key, value in {k: v for base in reversed(ours) for k, v in vars(base).items()}.items():
        if not key.startswith("_") and (callable(value) or isinstance(value, classmethod)):
            yield f"{name.rpartition('.')[2]}.{key}", getattr(cls, key)


def _signature(thing: object) -> str:
    """Names and defaults; what the arguments are is in the docstring."""
    if inspect.isclass(thing) and issubclass(thing, (Exception, msgspec.Struct)):
        return ""
    try:
        found = inspect.signature(thing)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""
    bare = [p.replace(annotation=p.empty) for p in found.parameters.values() if p.name != "self"]
    text = str(inspect.Signature(bare))
    return re.sub(r"<function (\w+) at 0x\w+>", r"\1", text)  # an address is another each time


def http_page() -> str:
    lines = [
        "# HTTP",
        "",
        "The control plane's routes. Each names who may call it; a route that "
        "names nobody is denied. The machine-readable form is served at `/openapi.json`, the "
        "data plane's own at the same path of its port.",
        "",
        "| route | permission | what it does |",
        "| --- | --- | --- |",
    ]
    lines += [f"| `{r.method} {r.path}` | {r.permission} | {r.summary} |" for r in ROUTES]
    return "\n".join([*lines, ""])


PAGES = {
    "cli.md": cli_page,
    "loop-file.md": loop_file_page,
    "settings.md": settings_page,
    "http.md": http_page,
    "python.md": python_page,
}


def undocumented() -> list[str]:
    """Options, keys, settings and routes that say nothing of themselves."""
    missing = []
    for name, command in commands():
        missing += [
            f"everloop {name} {p.opts[0]}"
            for p in command.params
            if isinstance(p, click.Option) and not p.help
        ]
        missing += [] if command.help else [f"everloop {name}"]
    for section, cls in SECTIONS.items():
        said = dict(field_comments(cls))
        missing += [f"[{section}]"] if not cls.__doc__ else []
        missing += [
            f"{section}.{f}"
            for f in cls.__struct_fields__
            if not said.get(f) and f"{section}.{f}" not in NESTED
        ]
    missing += [f"settings.{f}" for f in Settings.__struct_fields__ if f not in setting_comments()]
    missing += [f"{r.method} {r.path}" for r in ROUTES if not r.summary or not r.permission]
    missing += [f"el.{n}" for n in everloop.__all__ if not getattr(everloop, n).__doc__]
    return missing


def main() -> int:
    stale = []
    for name, make in PAGES.items():
        page, path = make().rstrip() + "\n", FOLDER / name
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(page, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != page:
            stale.append(name)
    problems = [f"{name} is out of date: make docs" for name in stale]
    problems += [f"{name} is undocumented" for name in undocumented()]
    print("\n".join(problems) or "The reference is complete and up to date.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
