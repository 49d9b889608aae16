"""Where this machine gets packages from: its index settings, without anything secret in them."""

import configparser
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from app.domain.sandbox import Mount

_CERTIFICATES = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_PIP_FILES = ("/etc/pip.conf", "/etc/xdg/pip/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
_NPM_FILES = ("/etc/npmrc", "~/.npmrc")
_NPM_REGISTRY = re.compile(r"^\s*((?:@[\w.-]+:)?registry)\s*=\s*(\S+)\s*$", re.M)


@dataclass(frozen=True)
class Registry:
    """What an installer is told, and what of this machine it must be able to read."""

    variables: Mapping[str, str]
    mounts: tuple[Mount, ...] = ()


def of_this_machine(environ: Mapping[str, str] | None = None, home: Path | None = None) -> Registry:
    """Collect the settings of pip, uv and npm; user names and passwords in addresses are left out."""
    given = os.environ if environ is None else environ
    base = home or Path.home()
    pip = _pip(given, base)
    variables = dict(_certificates(given))
    index = given.get("UV_DEFAULT_INDEX") or given.get("UV_INDEX_URL") or pip.get("index-url")
    if index:
        variables["UV_DEFAULT_INDEX"] = variables["PIP_INDEX_URL"] = clean(index)
    extra = (
        f"{given.get('UV_INDEX', '')} {given.get('UV_EXTRA_INDEX_URL', '')} {pip.get('extra-index-url', '')}".split()
    )
    if extra:
        cleaned = " ".join(dict.fromkeys(clean(url) for url in extra))
        variables["UV_INDEX"] = variables["PIP_EXTRA_INDEX_URL"] = cleaned
    links = f"{given.get('UV_FIND_LINKS', '')} {pip.get('find-links', '')}".replace(",", " ").split()
    if links:
        variables["UV_FIND_LINKS"] = ",".join(clean(link) for link in links)
        variables["PIP_FIND_LINKS"] = " ".join(clean(link) for link in links)
    variables |= _npm(given, base)
    return Registry(variables, tuple(_mounts(variables, [*extra, *links, index or ""])))


def clean(url: str) -> str:
    """Take the user name and password out of an address."""
    parts = urlsplit(url)
    if not parts.netloc or "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _pip(given: Mapping[str, str], home: Path) -> dict[str, str]:
    """Read pip's settings as pip does: later files and then the environment win."""
    found: dict[str, str] = {}
    for name in (*_PIP_FILES, given.get("PIP_CONFIG_FILE", "")):
        path = Path(name.replace("~", str(home), 1)) if name else None
        if path is None or not path.is_file():
            continue
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(path.read_text(errors="replace"))
        except configparser.Error:
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                found |= dict(parser.items(section))
    for key in ("index-url", "extra-index-url", "find-links"):
        value = given.get("PIP_" + key.upper().replace("-", "_"))
        if value:
            found[key] = value
    return found


def _npm(given: Mapping[str, str], home: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _NPM_FILES:
        path = Path(name.replace("~", str(home), 1))
        if path.is_file():
            for key, url in _NPM_REGISTRY.findall(path.read_text(errors="replace")):
                found[f"npm_config_{key}"] = clean(url)
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        if given.get(name):
            found["npm_config_registry"] = clean(given[name])
    return found


def _certificates(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in _CERTIFICATES:
        if given.get(name):
            yield name, given[name]
    for name in _PROXIES:
        for key in (name, name.lower()):
            if given.get(key):
                yield key, clean(given[key]) if name != "NO_PROXY" else given[key]


def _mounts(variables: Mapping[str, str], addresses: list[str]) -> Iterator[Mount]:
    """Show the directories that serve as an index, and certificates that lie outside /etc and /usr."""
    local = [Path(urlsplit(address).path) for address in addresses if address.startswith("file://")]
    local += [Path(address) for address in addresses if address.startswith("/")]
    local += [Path(variables[name]) for name in _CERTIFICATES if name in variables]
    seen = set()
    for path in local:
        if path in seen or not path.exists() or any(path.is_relative_to(top) for top in ("/etc", "/usr")):
            continue
        seen.add(path)
        yield Mount(path, hidden=())
        for target in _targets(path):
            yield Mount(target, hidden=())


def _targets(index: Path) -> Iterator[Path]:
    """Follow the links of a local index to the directory beside it that holds its files."""
    files = index.parent / "files"
    if index.name == "simple" and files.is_dir():
        yield files
