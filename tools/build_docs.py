"""Builds the documentation site, strictly: a link, an anchor or a picture without a target fails the build.

    build_docs.py [--into build/docs/site]

The site is docs/ and the project's other documents, staged in build/docs/pages and built by Zensical as zensical.toml
says. Staging does what a Git host does not need:

- A link to a document or a .proto file refers to its page; one to any other file refers to the repository.
- Consecutive blocks of code, each below a line with only a bold name, become tabs.
- The reference of the services is generated from the protos (proto_reference.py).

The site has a folder for each version next to versions.json, which fills the version selector. Existing versions in the
folder are kept, so that a release adds its own.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from proto_reference import ProtoReference

from gateway import __version__

__all__ = ["Site", "broken_references", "foreign_assets", "outside_code", "stage", "tabbed"]

ROOT = Path(__file__).resolve().parents[1]
# Zensical finds both only below the folder of its configuration.
WORK = ROOT / "build/docs"
PAGES, BUILT = WORK / "pages", WORK / "built"
LANGUAGES = ("python", "go", "java", "typescript", "rust", "cpp")

# Documents outside docs/, with their places on the site.
ELSEWHERE = {
    "CHANGELOG.md": "releases/changelog.md",
    "CONTRIBUTING.md": "contribute/contributing.md",
    "SECURITY.md": "releases/security.md",
    "clients/README.md": "clients/index.md",
    "clients/conformance/README.md": "contribute/conformance.md",
    "examples/provision/README.md": "guides/provision-program.md",
    "helm/vcenter-gateway/README.md": "reference/chart.md",
    **{f"clients/{language}/README.md": f"clients/{language}.md" for language in LANGUAGES},
}

_FENCED = re.compile(r"^(`{3,}).*?^\1$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(\]\(|(?:src|href)=\")([^)\s\"]+)")
_TAB = r"\*\*([^*\n]+)\*\*\n\n(?:<!-- include: .*? -->\n\n)?(```\w*\n.*?^```)(?:\n\n<!-- end of include -->)?\n*"
_TABS = re.compile(rf"^(?:{_TAB}){{2,}}", re.DOTALL | re.MULTILINE)


class Site:
    """The place of each file of the repository on the site."""

    def __init__(self, repository: str) -> None:
        self._repository = repository
        self._protos = {name: (title, text) for name, title, text in ProtoReference().pages()}
        self.page_of = {ROOT / source: page for source, page in ELSEWHERE.items()}
        self.page_of |= {path: path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").glob("**/*.md")}
        self.page_of |= {ROOT / "protos" / name: f"reference/{name.removesuffix('.proto')}.md" for name in self._protos}

    def pages(self) -> dict[str, str]:
        """Every page by its path on the site, with its links adapted to the site."""
        found = {}
        for source, page in self.page_of.items():
            if source.suffix == ".proto":
                text = self._protos[source.relative_to(ROOT / "protos").as_posix()][1]
                found[page] = text.replace("(repository:", f"({self._repository}/blob/main/")
            else:
                found[page] = tabbed(self._with_links(source, page))
        return found

    def reference(self) -> list[Any]:
        """The navigation of the services, by package."""
        packages: dict[str, list[Any]] = {}
        for name, (title, _) in sorted(self._protos.items()):
            package = name.rpartition("/")[0].replace("/", ".")
            packages.setdefault(package, []).append({title: f"reference/{name.removesuffix('.proto')}.md"})
        return [{package: pages} for package, pages in packages.items()]

    def _with_links(self, source: Path, page: str) -> str:
        def target(found: re.Match[str]) -> str:
            link = urlsplit(found[2])
            if link.scheme or link.netloc or not link.path:
                return found[0]
            path = Path(os.path.normpath(source.parent / unquote(link.path)))
            anchor = f"#{link.fragment}" if link.fragment else ""
            if path.is_dir() and path / "README.md" in self.page_of:
                path /= "README.md"
            if path in self.page_of:
                return found[1] + os.path.relpath(self.page_of[path], Path(page).parent) + anchor
            if path.is_relative_to(ROOT / "docs") or not path.exists():
                return found[0]
            kind = "tree" if path.is_dir() else "blob"
            return f"{found[1]}{self._repository}/{kind}/main/{path.relative_to(ROOT).as_posix()}{anchor}"

        text = source.read_text(encoding="utf-8")
        return outside_code(text, lambda prose: _LINK.sub(target, prose))


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Changes the prose of a document, but not its code, because code has no links."""
    parts, end = [], 0
    for block in _FENCED.finditer(text):
        parts += [change(text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, change(text[end:])])


def tabbed(text: str) -> str:
    """Consecutive blocks of code, each below its bold name, as tabs."""

    def tabs(run: re.Match[str]) -> str:
        found = re.findall(_TAB, run[0], re.DOTALL | re.MULTILINE)
        indented = (f'=== "{name}"\n\n' + re.sub(r"^(?=.)", "    ", code, flags=re.MULTILINE) for name, code in found)
        return "\n\n".join(indented) + "\n\n"

    return _TABS.sub(tabs, text)


def stage(folder: Path, site: Site) -> None:
    """Writes the sources of the site: its pages, and all other files of docs/."""
    shutil.rmtree(folder, ignore_errors=True)
    for page, text in site.pages().items():
        path = folder / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in (ROOT / "docs").glob("**/*"):
        if path.is_file() and path.suffix != ".md":
            copy = folder / path.relative_to(ROOT / "docs")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


class _References(HTMLParser):
    """The links, assets and anchors of an HTML page."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if "src" in values:
            self.loaded.add(values["src"])
        if tag == "link" and values.get("rel") not in ("canonical", "next", "prev", "alternate"):
            self.loaded.add(values["href"])
        elif "href" in values:
            self.links.add(values["href"])


def _read(folder: Path) -> dict[Path, _References]:
    pages = {}
    for path in sorted(folder.glob("**/*.html")):
        pages[path] = _References()
        pages[path].feed(path.read_text(encoding="utf-8"))
    return pages


def broken_references(folder: Path) -> list[str]:
    """The links, pictures, scripts and styles of a built site without a target on it."""
    pages = _read(folder)
    broken = []
    for page, found in pages.items():
        if page.name == "404.html":  # Its links are absolute, for an unknown location.
            continue
        for reference in sorted(found.links | found.loaded):
            link = urlsplit(reference)
            if link.scheme or link.netloc:
                continue
            target = Path(os.path.normpath(page.parent / unquote(link.path))) if link.path else page
            target = target / "index.html" if target.is_dir() else target
            anchored = not link.fragment or unquote(link.fragment) in getattr(pages.get(target), "anchors", ())
            if not target.is_file() or not anchored:
                broken.append(f"{page.relative_to(folder)}: {reference}")
    return broken


def foreign_assets(folder: Path) -> list[str]:
    """What the pages and styles of a built site load from other hosts."""
    found = [
        f"{page.relative_to(folder)}: {reference}"
        for page, references in _read(folder).items()
        for reference in sorted(references.loaded)
        if urlsplit(reference).netloc
    ]
    for path in folder.glob("**/*.css"):
        text = path.read_text(encoding="utf-8")
        found += [f"{path.relative_to(folder)}: {url}" for url in re.findall(r"url\(['\"]?((?:https?:)?//[^)]+)", text)]
    return found


def _build(site: Site) -> None:
    """Builds with the configuration in zensical.toml, plus the reference in its navigation. Raises SystemExit with each
    warning."""
    config = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    for section in config["project"]["nav"]:
        for title, entries in section.items():
            if title == "Reference":
                entries.append({"Services": ["reference/services.md", *site.reference()]})
    config["project"] |= {"docs_dir": PAGES.name, "site_dir": BUILT.name}
    # JSON is YAML, the other format that Zensical reads; the standard library cannot write TOML.
    path = WORK / "mkdocs.yml"
    path.write_text(json.dumps(config["project"], indent=1), encoding="utf-8")
    program = ROOT / "build/docs-venv/bin/zensical"
    done = subprocess.run(  # noqa: S603 - the project's own
        [program, "build", "--strict", "--clean", "--config-file", path], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr.partition("Traceback")[0])


def _publish(into: Path) -> None:
    """Lists the versions for the selector, and makes the newest one the start page."""
    named = [path.name for path in into.iterdir() if (path / "index.html").is_file()]
    numbers = sorted(named, key=lambda name: [int(part) for part in re.findall(r"\d+", name)], reverse=True)
    entries: list[dict[str, Any]] = [{"version": name, "title": name, "aliases": []} for name in numbers]
    entries[0]["aliases"] = ["latest"]
    (into / "versions.json").write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    (into / "index.html").write_text(
        '<!doctype html>\n<meta charset="utf-8">\n<title>vCenter gRPC gateway</title>\n'
        f'<meta http-equiv="refresh" content="0; url={numbers[0]}/">\n<a href="{numbers[0]}/">Documentation</a>\n',
        encoding="utf-8",
    )


def main() -> None:
    """Builds the site. Raises SystemExit with its problems."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--into", type=Path, default=WORK / "site", help="folder of the site")
    parser.add_argument("--version", default=__version__, help="name of this version (default: %(default)s)")
    arguments = parser.parse_args()
    into = arguments.into.resolve()
    repository = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]["extra"]["repository"]
    site = Site(repository)
    stage(PAGES, site)
    _build(site)
    wrong = [*broken_references(BUILT), *(f"loaded from elsewhere: {asset}" for asset in foreign_assets(BUILT))]
    if wrong:
        sys.exit("\n".join(wrong))
    folder = into / arguments.version
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    BUILT.rename(folder)
    _publish(into)
    print(f"{into}/index.html: version {arguments.version}, {len(site.page_of)} pages")  # noqa: T201


if __name__ == "__main__":
    main()
