"""Which paths an agent may read and write: decided here, whatever its prompt or the repository say."""

from pathlib import Path, PurePosixPath

from app.domain.roles import Role
from workers.agents.globs import fits

# Pushing workflows needs a permission that the app doesn't ask for; its own settings hold agents in check; and who has
# to review a change isn't for its author to say. In small letters, as it is compared.
NEVER = (".github/workflows/**", ".github/aurora.yml", "codeowners", ".github/codeowners", "docs/codeowners")


LFS_POINTER = b"version https://git-lfs.github.com/spec/"


class Refused(Exception):
    """An action isn't done; the message is for the model."""


def normalise(path: str) -> str:
    """Return `path` relative to the root; raise `Refused` when it leads elsewhere by its spelling."""
    path = path.strip().strip("`'\"").replace("\\", "/")
    path = path.removeprefix("/workspace/").removeprefix("./")
    if not path or path == ".":
        raise Refused("A path is missing. Paths are relative to the repository's root, such as src/app.py.")
    if path.startswith(("/", "~")) or ".." in PurePosixPath(path).parts or "\x00" in path:
        raise Refused(f"{path[:200]} is outside the repository. Use a path relative to its root, without `..`.")
    return str(PurePosixPath(path))


def locate(root: Path, path: str) -> Path:
    """Return where `path` is; raise `Refused` when a symbolic link leads out of the repository."""
    relative = normalise(path)
    place = root / relative
    try:
        real, top = place.resolve(), root.resolve()
    except RuntimeError as error:  # links in a circle
        raise Refused(f"{relative} is a link that leads nowhere.") from error
    if not real.is_relative_to(top):
        raise Refused(f"{relative} is a link that leads outside the repository.")
    for spelled in (PurePosixPath(relative), real.relative_to(top)):
        if ".git" in PurePosixPath(str(spelled).casefold()).parts:
            raise Refused(f"{relative} belongs to git and isn't part of the repository's files.")
    return place


def check_write(role: Role, protected: tuple[str, ...], path: str) -> None:
    """Raise `Refused`, naming the rule, unless `role` may change `path`."""
    relative = normalise(path)
    if fits(relative.casefold(), NEVER):
        raise Refused(f"{relative} can't be changed by an agent: a person has to do that.")
    if rule := next((glob for glob in protected if fits(relative, [glob])), None):
        raise Refused(f"{relative} can't be changed: the repository protects {rule} (protected_paths).")
    if not role.may_write:
        raise Refused(f"The role {role.role} may not change files: say what you found with done.")
    if not fits(relative, role.may_write):
        allowed = ", ".join(role.may_write[:8])
        raise Refused(f"The role {role.role} may not change {relative}. It may change: {allowed}.")


def is_off_limits(path: str, protected: tuple[str, ...]) -> bool:
    """Tell whether no agent, and nothing that goes in without one, may change `path`."""
    return fits(path.casefold(), NEVER) or fits(path, protected)


def check_pointer(place: Path, path: str) -> None:
    """Raise `Refused` where the file is kept elsewhere: git would take what is written for the file itself."""
    if place.is_file():
        with place.open("rb") as file:
            if file.read(len(LFS_POINTER)) == LFS_POINTER:
                raise Refused(
                    f"{path} is kept by Git LFS, and only a pointer to it is here: a person has to change it."
                )
