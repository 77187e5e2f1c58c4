"""Pages: links, anchors, commands, configuration and length of each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.settings.load import load_settings

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (".", ".github", "deploy", "edge", "training", "export", "tests")
    for path in (ROOT / folder).glob("*.md")
)
PAGE_LINES_MAX, README_LINES_MAX = 300, 120


def read_page(page: str) -> str:
    """Return the text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def find_blocks(page: str, kind: str) -> list[str]:
    """Return the code blocks of a kind."""
    return re.findall(rf"```{kind}\n(.*?)```", read_page(page), flags=re.DOTALL)


def find_anchors(path: Path) -> set[str]:
    """Return the anchors of a page, which forges make from its headings."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_there_is_a_page_for_every_kind_of_reader() -> None:
    """Users, operators, developers and researchers have pages of their own."""
    assert {"README.md", "deploy/README.md", "edge/README.md", "training/README.md", "export/README.md"} < set(PAGES)
    assert {"tests/README.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md"} < set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Every relative link names a file or folder of the repository, and every anchor a heading there."""
    lost = []
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", read_page(page)):
        file, _, anchor = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        if not target.exists() or (anchor and anchor not in find_anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", PAGES)
def test_page_is_short_enough_to_read(page: str) -> None:
    """The README is shorter than the other pages."""
    assert len(read_page(page).splitlines()) <= (README_LINES_MAX if page == "README.md" else PAGE_LINES_MAX)


def test_the_readme_leads_to_every_page() -> None:
    """Each page is one click away."""
    first = set(re.findall(r"\]\((?!https?:)([^)#]+)", read_page("README.md")))
    folders = {page for page in PAGES if page.endswith("/README.md")} - {"deploy/README.md"}
    assert folders <= first
    assert {page for page in PAGES if page.startswith("deploy/") and not page.endswith("README.md")} <= first


def test_the_readme_begins_with_two_commands() -> None:
    """The first two blocks of commands are the demonstration and the tests."""
    first, second, *_ = find_blocks("README.md", "sh")
    assert first.strip() == "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/tocsin demo"
    assert second.strip() == "sh tests/run.sh"


def test_the_readme_names_every_command() -> None:
    """The table of commands and the program agree."""
    from edge.cli.app import app

    rows = re.findall(r"^\| `tocsin (\w+)", read_page("README.md"), flags=re.MULTILINE)
    commands = {(c.name or c.callback.__name__) for c in app.registered_commands if c.callback}
    assert set(rows) == commands | {group.name for group in app.registered_groups}


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist(page: str) -> None:
    """Each `tocsin COMMAND` is one of the program, each `python -m` module is a file."""
    from edge.cli.app import app

    known = {(c.name or c.callback.__name__) for c in app.registered_commands if c.callback}
    known |= {str(group.name) for group in app.registered_groups}
    text = "\n".join([*find_blocks(page, "sh"), *re.findall(r"`([^`\n]+)`", read_page(page))])
    named = set(re.findall(r"(?:^|/|\s|')tocsin ([a-z]+)", text, flags=re.MULTILINE))
    assert named <= known
    for module in re.findall(r"python -m ([a-z0-9_.]+)(?=[\s`)|])", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


@pytest.mark.parametrize(("package", "page"), [("training", "training/README.md"), ("export", "export/README.md")])
def test_commands_of_training_and_export_are_documented(
    package: str, page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command of `--help` has a row, and each row is a command."""
    from importlib import import_module

    with pytest.raises(SystemExit):
        import_module(f"{package}.__main__").main(["--help"])
    listed = re.search(r"\{([\w,-]+)\}", capsys.readouterr().out)
    assert listed is not None
    rows = "".join(line for line in read_page(page).splitlines() if line.startswith("| `"))
    for command in listed.group(1).split(","):
        assert re.search(rf"`{re.escape(command)}[` ]", rows), command


def test_the_configuration_of_the_pages_loads(tmp_path: Path) -> None:
    """All blocks are one configuration, as one of them names an action of another."""
    text = "\n".join(block for page in PAGES for block in find_blocks(page, "toml"))
    file = tmp_path / "tocsin.toml"
    file.write_text(text, encoding="utf-8")
    settings = load_settings(file, environ={})
    assert settings.claps.patterns["double"].actions == ("lamp",)
    assert settings.away.actions == ("note",)
    assert settings.detection.classes["gunshot"].on == 0.9
