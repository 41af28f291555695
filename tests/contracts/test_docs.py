"""What the documents name exists: links, make targets, commands, variables, files, functions. Text only, no imports."""

import re
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
APPS = ("catalog", "experiments", "optimizer", "streaming", "pricing_site")
MADE_LATER = {"var", ".venv", "static_root"}

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@cache
def text_of(path):
    return path.read_text()


def code_in(document):
    """Return the fenced blocks and the code spans of a document; prose may say 'make it' and mean no target."""
    fences = re.findall(r"^```.*?\n(.*?)^```", text_of(document), re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```", "", text_of(document), flags=re.MULTILINE | re.DOTALL)
    return fences, [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]


@cache
def sources():
    files = [path for app in (*APPS, "tests") for path in (ROOT / app).rglob("*.py")]
    return "\n".join(map(text_of, [*files, ROOT / "Makefile", ROOT / "docker-compose.yml"]))


def anchors(document):
    headings = re.findall(r"^#+ (.+)$", text_of(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def variables_read_by(reader):
    """Return the variables that the table of docs/operations.md says are read there."""
    rows = re.findall(r"^\| `([A-Z_]+)`[^|]*\|([^|]+)\|", text_of(ROOT / "docs/operations.md"), re.MULTILINE)
    assert rows, "docs/operations.md has no table of variables"
    return {name for name, readers in rows if reader in re.findall(r"\w+", readers)}


@each_document
def test_links_lead_somewhere(document):
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text_of(document)):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{link}: there is no {target}"
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"


@each_document
def test_make_targets_and_their_variables_exist(document):
    targets = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    fences, spans = code_in(document)
    for assigned, target in re.findall(r"\bmake((?: [A-Z_]+=\S+)*) ([a-z]+)", "\n".join(fences + spans)):
        assert target in targets, f"make {target}: the Makefile has no such target"
        named = set(re.findall(r"([A-Z_]+)=", assigned))
        assert named <= variables_read_by("make"), f"make{assigned}: the Makefile reads no such variable"


@each_document
def test_management_commands_exist(document):
    fences, spans = code_in(document)
    named = set(re.findall(r"manage\.py ([a-z_]+)", "\n".join(fences + spans)))
    assert named <= set(get_commands()), "no such command"


@each_document
def test_files_exist(document):
    for span in code_in(document)[1]:
        first = span.split("/")[0]
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", span) and first not in MADE_LATER and (ROOT / first).is_dir():
            assert (ROOT / span).exists(), f"{span}: there is no such file"


@each_document
def test_python_names_exist(document):
    for span in code_in(document)[1]:
        # A permission or a setting that is named as a whole, such as catalog.view_listing, stands in quotes.
        if re.fullmatch(rf"({'|'.join(APPS)})(\.\w+)+", span) and f'"{span}"' not in sources():
            module, names = module_and_names(span)
            for name in names:
                defined = rf"^\s*(def|class) {name}\b|^\s*{name}\b.*="
                assert re.search(defined, text_of(module), re.MULTILINE), f"{span}: {module.name} has no {name}"


def module_and_names(dotted):
    """Return the file of the longest part that is a module or package, and the names after it."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:length])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.exists():
                return file, parts[length:]
    raise AssertionError(f"{dotted}: there is no such module")


@each_document
def test_constants_and_variables_exist(document):
    for span in code_in(document)[1]:
        name = span.split("=")[0]
        if re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", name):
            assert re.search(rf"\b{name}\b", sources()), f"{name}: nothing reads or defines it"


def test_the_table_of_variables_is_complete_and_names_no_other():
    settings = re.findall(r'\benv(?:\.\w+)?\(\s*"(\w+)"', text_of(ROOT / "pricing_site/settings.py"))
    assert variables_read_by("settings") == set(settings)
    assert variables_read_by("compose") == set(re.findall(r"\$\{(\w+)", text_of(ROOT / "docker-compose.yml")))
    assert variables_read_by("make") == set(re.findall(r"^(\w+) \?=", text_of(ROOT / "Makefile"), re.MULTILINE))


def test_every_command_of_ours_is_in_the_table_of_commands():
    commands = {path.stem for app in APPS for path in (ROOT / app).glob("management/commands/[a-z]*.py")}
    described = set(re.findall(r"^\|.*?`manage\.py (\w+)", text_of(ROOT / "docs/operations.md"), re.MULTILINE))
    assert commands <= described


def test_every_decision_is_listed_in_the_architecture():
    listed = set(re.findall(r"\(adr/([\w.-]+)\)", text_of(ROOT / "docs/architecture.md")))
    assert listed == {path.name for path in (ROOT / "docs/adr").iterdir()}
