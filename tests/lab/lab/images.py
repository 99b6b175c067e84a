# Copyright: (c) 2026, mailops.postfix contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds the images of the lab's hosts with mmdebstrap and keeps them in podman's store, by a hash of their recipe.

images [NAME...]   build missing images (default: all)
images --list      list the images
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterable, Sequence

from lab.common import CACHE, IMAGES, LAB, Clock, LabError, load, locked, main, podman, podman_ok, run, say

MIRROR = os.environ.get("LAB_MIRROR", "http://deb.debian.org/debian")
SYSTEMD = "systemd-sysv"  # the package of the init of most images


def scripts(image: dict[str, Any]) -> list[str]:
    """The files of the build of an image."""
    return [
        *(["postfix-source", "postfix.service", "redhat"] if "source" in image else []),
        *(["build", "lab-host.service"] if image.get("init", SYSTEMD) == SYSTEMD else ["build-sysvinit"]),
    ]


def recipes() -> dict[str, dict[str, Any]]:
    """The recipe of each image, by name."""
    data = load("images.yml")
    return {
        name: {
            "suite": image["suite"],
            "init": image.get("init", SYSTEMD),
            "packages": sorted(
                {
                    *data["common"],
                    image.get("init", SYSTEMD),
                    *image["packages"],
                    *(data["build"] if "source" in image else []),
                }
            ),
            "optional": image.get("optional", False),
            "unified": image.get("unified", False),
            "disabled": image.get("disabled", []),
            "downloaded": image.get("downloaded", []),
            "source": {**image["source"], "requirements": data["build"]} if "source" in image else {},
            "script": "".join((LAB / "files" / file).read_text(encoding="utf-8") for file in scripts(image)),
        }
        for name, image in data["images"].items()
    }


def reference(name: str) -> str:
    """The image's name in podman: the tag is a hash of its recipe."""
    known = recipes()
    if name not in known:
        raise LabError(f"there is no image {name} in images.yml; it has {', '.join(sorted(known))}")
    parts = (
        "suite",
        "packages",
        "script",
        *(part for part in ("disabled", "downloaded", "source") if known[name][part]),
    )
    ingredients = {part: known[name][part] for part in parts}
    digest = hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()[:12]
    return f"{IMAGES}/{name}:{digest}"


def steps(recipe: dict[str, Any]) -> list[str]:
    """The calls of the scripts in files/ that finish the new system."""
    source, directory = recipe["source"], LAB / "files"
    last = f'{directory}/{"build" if recipe["init"] == SYSTEMD else "build-sysvinit"} "$1"'
    if not source:
        return [last]
    fallback = f"FALLBACK='{MIRROR}/{source['fallback']}' " if "fallback" in source else ""
    requirements = " ".join(source["requirements"])
    return [f'{fallback}{directory}/postfix-source "$1" {source["layout"]} {requirements}', last]


def source_lines(recipe: dict[str, Any]) -> list[str]:
    """The lines of sources.list for the source package. The Release file of unstable may have expired too (see build)."""
    return [
        f"deb-src {'' if suite == recipe['suite'] else '[check-valid-until=no] '}{MIRROR} {suite} main"
        for suite in recipe["source"].get("suites", [])
    ]


def has_postfix(name: str) -> bool:
    """Whether Postfix is installed in the image."""
    recipe = recipes()[name]
    return "postfix" in recipe["packages"] or bool(recipe["source"])


def exists(name: str) -> bool:
    """Whether the image has been built from the current recipe."""
    return podman_ok("image", "exists", reference(name))


def download(packages: Sequence[str]) -> list[str]:
    """The options of mmdebstrap that keep packages, and apt's lists that have them, in the image without installing them."""
    if not packages:
        return []
    apt = 'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --yes'
    steps = [f"{apt} clean", f"{apt} update", f"{apt} --download-only install {' '.join(packages)}"]
    return ["--skip=cleanup/apt", f"--customize-hook={' && '.join(steps)}"]


def build(name: str) -> None:
    """Build one image and remove those of older recipes."""
    recipe = recipes()[name]
    wanted = reference(name)
    clock = Clock()
    say(f"  image {name}: building {recipe['suite']} with {len(recipe['packages'])} packages from {MIRROR} ...")
    CACHE.mkdir(parents=True, exist_ok=True)
    archive = CACHE / f"{name}.tar"
    try:
        done = run(
            [
                "mmdebstrap",
                "--variant=minbase",
                "--components=main",
                '--aptopt=APT::Install-Recommends "false"',
                '--aptopt=Acquire::Retries "3"',
                # The Release file of testing may have expired on an outdated mirror; those of stable do not expire.
                *(['--aptopt=Acquire::Check-Valid-Until "false"'] if recipe["optional"] else []),
                f"--include={','.join(recipe['packages'])}",
                *(f"--customize-hook={step}" for step in steps(recipe)),
                *(f'--customize-hook=rm "$1"/etc/systemd/system/*.wants/{unit}' for unit in recipe["disabled"]),
                *download(recipe["downloaded"]),
                recipe["suite"],
                str(archive),
                MIRROR,
                *source_lines(recipe),
            ],
            check=False,
            timeout=1800,
        )
        (CACHE / f"{name}.log").write_bytes(done.stderr)
        if done.returncode:
            words = "\n    ".join(done.stderr.decode(errors="replace").strip().splitlines()[-8:])
            raise LabError(f"image {name} can't be built (log: {CACHE / f'{name}.log'})\n    {words}")
        podman("import", "--quiet", str(archive), wanted, timeout=300)
    finally:
        archive.unlink(missing_ok=True)
    for old in podman("images", "--format", "{{.Repository}}:{{.Tag}}", f"{IMAGES}/{name}").splitlines():
        if old != wanted:
            podman_ok("rmi", old)
    say(f"  image {name}: built in {clock}")


def ensure(names: Iterable[str]) -> set[str]:
    """Build missing images; return the names of all available ones (an optional image may be missing)."""
    names = list(dict.fromkeys(names))
    known = recipes()
    with locked("images"):
        missing = [name for name in names if not exists(name)]

        def attempt(name: str) -> LabError | None:
            try:
                build(name)
            except LabError as error:
                return error
            return None

        with ThreadPoolExecutor(max_workers=max(2, min(4, os.cpu_count() or 2))) as pool:
            failures = [(n, error) for n, error in zip(missing, pool.map(attempt, missing)) if error]
    for name, error in failures:
        if not known[name]["optional"]:
            raise error
        say(f"  image {name}: WARNING: continuing without this image, which is optional: {error}")
    return set(names) - {name for name, _error in failures}


def command() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="images", description="Build the images of the lab's hosts.")
    parser.add_argument("names", metavar="NAME", nargs="*", help="images to build (default: all)")
    parser.add_argument("--list", action="store_true", help="show the images and whether they are built")
    options = parser.parse_args()
    for name in options.names:
        reference(name)
    if options.list:
        for name in recipes():
            say(f"{name:10} {'built  ' if exists(name) else 'missing'} {reference(name)}")
        return 0
    clock = Clock()
    there = ensure(options.names or recipes())
    say(f"images: {', '.join(sorted(there))} ({clock})")
    return 0


if __name__ == "__main__":
    main(command)
