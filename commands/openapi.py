"""`matchcast openapi`: the document of the whole HTTP surface."""

from typing import Annotated, Any

import typer


def openapi(
    write: Annotated[
        bool, typer.Option("--write", help="Put it where it is published, instead of printing it.")
    ] = False,
) -> None:
    """Make the OpenAPI document from the operations of all functions."""
    from matchcast.web.openapi import PUBLISHED

    text = rendered()
    if write:
        PUBLISHED.write_text(text)
        typer.echo(f"wrote {PUBLISHED}")
    else:
        typer.echo(text, nl=False)


def rendered() -> str:
    """The document as it is published: JSON, sorted, a line for everything."""
    import json
    from importlib.metadata import version

    from matchcast.web.openapi import document

    return json.dumps(document(operations(), version("matchcast")), indent=1, ensure_ascii=False) + "\n"


def operations() -> list[Any]:
    """Every operation of every function."""
    from importlib import import_module
    from pathlib import Path

    import functions

    found = []
    for main in sorted(Path(functions.__path__[0]).glob("*/main.py")):
        found += import_module(f"functions.{main.parent.name}.main").app(ENVIRONMENT).operations
    return found


ENVIRONMENT = {
    "K_SINK": "http://localhost",
    "MATCHCAST_HOOK_TOKEN": "not-served-not-needed",
    "MATCHCAST_INGEST_BROKER_URL": "http://localhost",
    "MATCHCAST_INFERENCE_BROKER_URL": "http://localhost",
}
"""What functions ask for at their start; nothing is opened."""
